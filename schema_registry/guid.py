"""The GUID of a schema: an MD5 over its content, the same in every registry. Confluent: `MD5`."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator

from aliran.schema_registry.models import Metadata, Rule, RuleSet, Schema


def content_hash(schema: Schema) -> bytes:
    """Return the 16 bytes that stand for a content: its text, references, metadata and rules."""
    digest = hashlib.md5(schema.schema.encode("utf-8", "replace"), usedforsecurity=False)
    for reference in schema.references:
        _update(digest, (reference.name, reference.subject))
        digest.update(reference.version.to_bytes(4, "big", signed=True))
    if schema.metadata is not None:
        digest.update(b"\x01")
        _update(digest, _metadata_parts(schema.metadata))
    if schema.rule_set is not None:
        digest.update(b"\x01")
        _update(digest, _rule_set_parts(schema.rule_set))
    return digest.digest()


def guid_text(digest: bytes) -> str:
    """Return a content hash as the text of a UUID."""
    return str(uuid.UUID(bytes=digest))


def parse_guid(text: str) -> bytes | None:
    """Return the content hash that a GUID stands for; None where it is none."""
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        return None


def _update(digest: hashlib._Hash, parts: Iterable[str]) -> None:
    for part in parts:
        digest.update(part.encode("utf-8", "replace"))


def _metadata_parts(metadata: Metadata) -> Iterator[str]:
    for tag, values in sorted((metadata.tags or {}).items()):
        yield tag
        yield from sorted(values)
    for pair in sorted((metadata.properties or {}).items()):
        yield from pair
    yield from sorted(metadata.sensitive or ())


def _rule_set_parts(rules: RuleSet) -> Iterator[str]:
    for group in (rules.migration_rules, rules.domain_rules, rules.encoding_rules):
        for rule in group or ():
            yield from _rule_parts(rule)


def _rule_parts(rule: Rule) -> Iterator[str]:
    yield from filter(None, (rule.name, rule.doc, rule.kind, rule.mode, rule.type))
    yield from sorted(rule.tags or ())
    for pair in sorted((rule.params or {}).items()):
        yield from pair
    yield from filter(None, (rule.expr, rule.on_success, rule.on_failure))
    if rule.disabled:
        yield "\x01"
