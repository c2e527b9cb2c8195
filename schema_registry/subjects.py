"""Names of subjects: contexts, which names are valid, what a name means inside another subject.

A context is a name space of ids and subjects: `:.ctx:subject` is `subject` in the context `.ctx`.
Confluent: `QualifiedSubject`.
"""

from __future__ import annotations

DEFAULT_CONTEXT = "."
GLOBAL_CONTEXT = ".__GLOBAL"
WILDCARD = ":*:"


def split(name: str) -> tuple[str, str]:
    """Return the context of a subject and the rest of its name.

    Example:
        >>> split(":.staging:orders"), split("orders"), split(":.staging")
        (('.staging', 'orders'), ('.', 'orders'), ('.staging', ''))
    """
    if name.startswith(":."):
        context, _, subject = name[1:].partition(":")
        return context, subject
    if name.startswith(WILDCARD):
        return "*", name[len(WILDCARD) :]
    return DEFAULT_CONTEXT, name


def join(context: str, subject: str) -> str:
    """Return the full name of `subject` in `context`, plain in the default context."""
    return subject if context == DEFAULT_CONTEXT else f":{context}:{subject}"


def context_of(name: str) -> str:
    """Return the context of a subject."""
    return split(name)[0] if name.startswith(":") else DEFAULT_CONTEXT


def context_prefix(name: str) -> str:
    """Return how names of the context of `name` begin: "" or `:.ctx:`."""
    return join(context_of(name), "")


def normalize(name: str) -> str:
    """Return the one spelling of a subject: `:.:s` is `s`, and `:.ctx` is `:.ctx:`."""
    return join(*split(name)) if name.startswith(":") else name


def normalize_context(name: str) -> str:
    """Return how names of a context begin, from any spelling of it: `ctx`, `.ctx`, `:.ctx:`.

    Raises:
        ValueError: It has a colon inside.
    """
    name = name.removeprefix(":").removesuffix(":")
    if ":" in name:
        raise ValueError("Context name cannot contain a colon")
    return join(name if name.startswith(".") else f".{name}", "")


def resolve(name: str, parent: str) -> str:
    """Return what `name` means inside `parent`: in its context, unless it names one itself."""
    context, subject = split(name)
    if context != DEFAULT_CONTEXT:
        return join(context, subject)
    return join(context_of(parent), subject)


def is_context(name: str) -> bool:
    """Return whether a name stands for a context as a whole."""
    return not split(name)[1]


def covers(scope: str, name: str) -> bool:
    """Return whether `scope`, a subject or a whole context, holds the subject `name`."""
    if scope == name:
        return True
    context, subject = split(scope)
    return not subject and context in {GLOBAL_CONTEXT, context_of(name)}


def is_valid(name: str, *, for_settings: bool = False) -> bool:
    """Return whether a subject of this name may exist.

    Args:
        name: Full name.
        for_settings: Whether it is where a config or mode is set: then `:.__GLOBAL:` may be used.
    """
    if any(ord(char) < 32 or 127 <= ord(char) < 160 for char in name):
        return False
    context, subject = split(name)
    return subject not in {"__GLOBAL", "__EMPTY"} and (for_settings or context != GLOBAL_CONTEXT)
