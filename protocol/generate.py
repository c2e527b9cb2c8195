"""Writes `protocol/messages/` from the message table.

`python -m aliran.protocol.generate` writes the classes, `--check` only tells whether they are what
the table says (exit status 1 if not).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from aliran.protocol.schema.model import (
    Api,
    Field,
    SchemaError,
    Struct,
    Versions,
    load,
    names,
)

MESSAGES_DIRECTORY = Path(__file__).parent / "messages"

_PYTHON_TYPES = {
    "bool": "bool",
    "float64": "float",
    "uuid": "UUID",
    "string": "str",
    "bytes": "bytes",
    "records": "Buffer",
}


def python_type(field: Field) -> str:
    """Return the annotation of a field's attribute."""
    name = _PYTHON_TYPES.get(field.type, field.type if field.struct else "int")
    if field.is_array:
        name = f"list[{name}]"
    return f"{name} | None" if field.nullable or field.default is None else name


def default_expression(field: Field) -> str:
    """Return Python source of a field's default, as it stands in the constructor's signature."""
    if field.default is None:
        return "None"
    if field.is_array or field.is_struct:
        return "UNSET"
    if field.type == "string":
        return f'"{field.default}"'
    if field.type == "bytes":
        return 'b""'
    if field.type == "uuid":
        return "ZERO_UUID"
    return field.default.capitalize() if field.type == "bool" else field.default


def structs_of(api: Api) -> list[tuple[Struct, str]]:
    """Return every struct of the API once, inner ones first, with the message it belongs to.

    Raises:
        SchemaError: Two structs of the API share a name but not their fields.
    """
    found: dict[str, tuple[Struct, str]] = {}

    def visit(struct: Struct, message: str) -> None:
        for field in struct.fields:
            if field.struct:
                visit(field.struct, message)
        seen = found.get(struct.name)
        if seen and not seen[0].same_fields(struct):
            raise SchemaError(f"{api.name} has two different structs {struct.name}: rename one")
        found.setdefault(struct.name, (struct, message))

    for message in (api.request, api.response):
        visit(message, message.name)
    return list(found.values())


def _field_comment(field: Field, message_versions: Versions) -> str:
    notes = []
    if field.versions.first > message_versions.first or field.versions.last < message_versions.last:
        notes.append(f"versions {field.versions}")
    if field.tag is not None:
        notes.append(f"tag {field.tag}")
    return f"  # {', '.join(notes)}" if notes else ""


def class_source(struct: Struct, message: str, api: Api) -> str:
    """Return the source of one class."""
    is_message = struct.name == message
    side = "request" if message == api.request.name else "response"
    lines = [
        f"class {struct.name}({'Message' if is_message else 'Struct'}):",
        f'    """Body of Kafka\'s {api.name} {side}, versions {api.versions}."""'
        if is_message
        else f'    """Part of `{message}`."""',
        "",
    ]
    slots = "".join(f'"{field.name}", ' for field in struct.fields)
    lines.append(
        f"    __slots__ = ({slots.rstrip(' ') if len(struct.fields) == 1 else slots[:-2]})"
    )
    if is_message:
        lines.append(f"    API_KEY: ClassVar[int] = {api.key}")
    lines += [
        f"    {field.name}: {python_type(field)}{_field_comment(field, api.versions)}"
        for field in struct.fields
    ]
    if struct.fields:
        lines += ["", "    def __init__(", "        self,", "        *,"]
        lines += [
            f"        {field.name}: {python_type(field)} = {default_expression(field)},"
            for field in struct.fields
        ]
        lines.append("    ) -> None:")
        lines += [f"        self.{field.name} = {_assigned(field)}" for field in struct.fields]
    return "\n".join(lines)


def _assigned(field: Field) -> str:
    if default_expression(field) != "UNSET":
        return field.name
    empty = "[]" if field.is_array else f"{field.type}()"
    return f"{empty} if {field.name} is UNSET else {field.name}"


def module_source(name: str) -> str:
    """Return the source of `messages/<name>.py`."""
    api = load(name)
    classes = [class_source(struct, message, api) for struct, message in structs_of(api)]
    body = "\n\n\n".join(classes)
    imports = ["from typing import ClassVar"]
    if re.search(r"\bUUID\b", body):
        imports.append("from uuid import UUID")
    used = [word for word in ("UNSET", "Message", "Struct") if re.search(rf"\b{word}\b", body)]
    imports.append("")
    imports.append(f"from aliran.protocol.message import {', '.join(used)}")
    used = [word for word in ("ZERO_UUID", "Buffer") if re.search(rf"\b{word}\b", body)]
    if used:
        imports.append(f"from aliran.protocol.primitives import {', '.join(used)}")
    return (
        f'"""Kafka\'s {api.name} (API key {api.key}), versions {api.versions}.\n\n'
        f"Generated by `python -m aliran.protocol.generate` from schema/{name}.txt: do not edit.\n"
        '"""\n\nfrom __future__ import annotations\n\n' + "\n".join(imports) + f"\n\n\n{body}\n"
    )


def index_source() -> str:
    """Return the source of `messages/__init__.py`: where the codec finds each API."""
    apis = sorted((load(name).key, name) for name in names())
    rows = []
    for key, name in apis:
        api = load(name)
        flexible = api.flexible.first if api.flexible else api.versions.last + 1
        rows.append(
            f'    {key}: ("{name}", "{api.name}", '
            f"{api.versions.first}, {api.versions.last}, {flexible}),\n"
        )
    return (
        '"""The index of the message classes; each module is imported when it is first needed.\n\n'
        "Generated by `python -m aliran.protocol.generate`: do not edit.\n"
        '"""\n\nfrom __future__ import annotations\n\n'
        "INDEX: dict[int, tuple[str, str, int, int, int]] = {\n"
        "    # key: (module, name, first version, last version, first flexible version)\n"
        + "".join(rows)
        + "}\n"
    )


def expected_files() -> dict[Path, str]:
    """Return what `messages/` has to contain: path → text."""
    files = {MESSAGES_DIRECTORY / f"{name}.py": module_source(name) for name in names()}
    files[MESSAGES_DIRECTORY / "__init__.py"] = index_source()
    return files


def stale_files() -> list[Path]:
    """Return the files of `messages/` that are missing, superfluous, or not what the table says."""
    expected = expected_files()
    present = set(MESSAGES_DIRECTORY.glob("*.py"))
    stale = {
        path
        for path, text in expected.items()
        if path not in present or path.read_text(encoding="utf-8") != text
    }
    return sorted(stale | (present - expected.keys()))


def main(arguments: list[str]) -> int:
    """Write the classes, or with `--check` compare them; return the exit status."""
    stale = stale_files()
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path.name} does not match the table: run python -m aliran.protocol.generate")
        return 1 if stale else 0
    if arguments:
        print("usage: python -m aliran.protocol.generate [--check]")
        return 2
    expected = expected_files()
    for path in stale:
        if path in expected:
            path.write_text(expected[path], encoding="utf-8")
        else:
            path.unlink()
    print(f"{len(stale)} of {len(expected)} files written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
