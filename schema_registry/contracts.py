"""Data contracts: metadata and rules of schemas, how they are merged, and which are valid.

The registry keeps them, clients carry them out. Confluent: `Metadata`, `Rule`, `RuleSet`.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from aliran.schema_registry.errors import InvalidRuleSetError
from aliran.schema_registry.models import Config, Metadata, Rule, RuleSet, Schema

VERSION_PROPERTY = "confluent:version"
RESERVED_PROPERTY = "confluent:reserved"
_MAX_NAME = 256
_MIGRATION_MODES = {"UPGRADE", "DOWNGRADE", "UPDOWN"}
_OTHER_MODES = {"WRITE", "READ", "WRITEREAD"}
_GROUPS = ("migration_rules", "domain_rules", "encoding_rules")


# ---------------------------------------------------------------------- one form


def tidy_metadata(metadata: Metadata | None) -> Metadata | None:
    """Return metadata in the order in which it is kept: all of it sorted, without empty parts."""
    if metadata is None:
        return None
    tags = {name: sorted(set(values)) for name, values in sorted((metadata.tags or {}).items())}
    return Metadata(
        tags=tags or None,
        properties=dict(sorted((metadata.properties or {}).items())) or None,
        sensitive=sorted(set(metadata.sensitive or ())) or None,
    )


def tidy_rule_set(rules: RuleSet | None) -> RuleSet | None:
    """Return rules with what a rule does not say filled in, and without empty groups."""
    if rules is None:
        return None
    return RuleSet(
        migration_rules=_tidy_rules(rules.migration_rules),
        domain_rules=_tidy_rules(rules.domain_rules),
        encoding_rules=_tidy_rules(rules.encoding_rules),
        enable_at=rules.enable_at,
    )


def _tidy_rules(rules: Iterable[Rule] | None) -> list[Rule] | None:
    return [
        replace(
            rule,
            kind=rule.kind or "TRANSFORM",
            mode=rule.mode or "WRITEREAD",
            tags=sorted(set(rule.tags or ())) or None,
            params=dict(sorted((rule.params or {}).items())) or None,
        )
        for rule in rules or ()
    ] or None


# ---------------------------------------------------------------------- validity


def check_rule_set(rules: RuleSet | None) -> None:
    """Check the rules that a user sends.

    Raises:
        InvalidRuleSetError: A rule has no valid name or type, a name comes twice, or its mode or
            actions do not belong to its group.
    """
    names: set[str] = set()
    for group, modes in zip(_GROUPS, (_MIGRATION_MODES, _OTHER_MODES, _OTHER_MODES), strict=True):
        for rule in (rules and getattr(rules, group)) or ():
            if rule.name in names:
                raise InvalidRuleSetError(f"Found rule with duplicate name '{rule.name}'")
            names.add(rule.name)
            _check_rule(rule)
            if (rule.mode or "WRITEREAD") not in modes:
                what = group.removesuffix("_rules").capitalize()
                raise InvalidRuleSetError(
                    f"{what} rules can only be "
                    + (
                        "UPGRADE, DOWNGRADE, UPDOWN"
                        if modes is _MIGRATION_MODES
                        else "WRITE, READ, WRITEREAD"
                    )
                )


def _check_rule(rule: Rule) -> None:
    _check_name(rule.name)
    if rule.type is None:
        raise InvalidRuleSetError("Missing rule type")
    if rule.kind not in {None, "TRANSFORM", "CONDITION"}:
        raise InvalidRuleSetError(f"Unknown rule kind: {rule.kind}")
    if rule.mode not in {None, *_MIGRATION_MODES, *_OTHER_MODES}:
        raise InvalidRuleSetError(f"Unknown rule mode: {rule.mode}")
    if rule.mode not in {None, "WRITEREAD", "UPDOWN"} and any(
        action is not None and "," in action for action in (rule.on_success, rule.on_failure)
    ):
        raise InvalidRuleSetError("Multiple actions only valid with WRITEREAD and UPDOWN")


def _check_name(name: str | None) -> None:
    if name is None:
        raise InvalidRuleSetError("Missing rule name")
    if not name:
        raise InvalidRuleSetError("Empty rule name")
    if len(name) > _MAX_NAME:
        raise InvalidRuleSetError("Rule name too long")
    if not (name[0].isalpha() or name[0] == "_"):
        raise InvalidRuleSetError(f"Illegal initial character in rule name: {name}")
    if not all(char.isalnum() or char in "_-" for char in name[1:]):
        raise InvalidRuleSetError(f"Illegal character in rule name: {name}")


# ---------------------------------------------------------------------- merging


def merge_metadata(base: Metadata | None, over: Metadata | None) -> Metadata | None:
    """Return both; where they say different things, what `over` says."""
    if base is None or over is None:
        return over if base is None else base
    return tidy_metadata(
        Metadata(
            tags={**(base.tags or {}), **(over.tags or {})},
            properties={**(base.properties or {}), **(over.properties or {})},
            sensitive=[*(base.sensitive or ()), *(over.sensitive or ())],
        )
    )


def merge_rule_sets(base: RuleSet | None, over: RuleSet | None) -> RuleSet | None:
    """Return both; of rules with the same name, that of `over`."""
    if base is None or over is None:
        return over if base is None else base
    return RuleSet(
        migration_rules=_merge_rules(base.migration_rules, over.migration_rules),
        domain_rules=_merge_rules(base.domain_rules, over.domain_rules),
        encoding_rules=_merge_rules(base.encoding_rules, over.encoding_rules),
        enable_at=over.enable_at or base.enable_at,
    )


def _merge_rules(base: list[Rule] | None, over: list[Rule] | None) -> list[Rule] | None:
    if not base or not over:
        return over or base
    names = {rule.name for rule in over}
    return [*(rule for rule in base if rule.name not in names), *over]


def without_rules(rules: RuleSet | None, names: Iterable[str]) -> RuleSet | None:
    """Return the rules but those with these names."""
    if rules is None:
        return None
    gone = set(names)
    kept = {
        group: [rule for rule in getattr(rules, group) or () if rule.name not in gone] or None
        for group in _GROUPS
    }
    return replace(rules, **kept)


def has_rule_type(rules: RuleSet | None, rule_type: str) -> bool:
    """Return whether one of the rules is of this type."""
    return rules is not None and any(
        rule.type == rule_type for group in _GROUPS for rule in getattr(rules, group) or ()
    )


# ---------------------------------------------------------------------- confluent:version


def version_of(metadata: Metadata | None) -> str | None:
    """Return what the property `confluent:version` says."""
    return _property(metadata, VERSION_PROPERTY)


def with_version(metadata: Metadata | None, version: int) -> Metadata:
    """Return the metadata with the property `confluent:version`."""
    known = metadata or Metadata()
    properties = {**(known.properties or {}), VERSION_PROPERTY: str(version)}
    return replace(known, properties=dict(sorted(properties.items())))


def without_version(metadata: Metadata | None) -> Metadata:
    """Return the metadata without the property `confluent:version`; empty where there is none."""
    known = metadata or Metadata()
    properties = {**(known.properties or {})}
    properties.pop(VERSION_PROPERTY, None)
    return replace(known, properties=properties or None)


def reserved_fields(metadata: Metadata | None) -> set[str]:
    """Return the names of fields that the metadata reserves."""
    names = (_property(metadata, RESERVED_PROPERTY) or "").split(",")
    return {name.strip() for name in names} - {""}


def group_of(metadata: Metadata | None, group: str) -> str | None:
    """Return the value of a property, which says what a schema is compared with."""
    return _property(metadata, group)


def _property(metadata: Metadata | None, name: str) -> str | None:
    return (metadata.properties or {}).get(name) if metadata is not None else None


def fill_in(
    schema: Schema, config: Config, previous: Schema | None, version: int | None, *, mark: bool
) -> Schema:
    """Return a schema with what it gets from its subject's settings and its predecessor.

    Args:
        schema: The schema.
        config: The settings in force.
        previous: The version before it, whose metadata and rules it inherits where it has none.
        version: What number it will have; None when it is only looked up.
        mark: Whether the number is written into the metadata even where it was not before.
    """
    metadata, rules = schema.metadata, schema.rule_set
    if previous is not None:
        metadata = previous.metadata if metadata is None else metadata
        rules = previous.rule_set if rules is None else rules
    metadata = merge_metadata(
        merge_metadata(config.default_metadata, metadata), config.override_metadata
    )
    rules = merge_rule_sets(
        merge_rule_sets(config.default_rule_set, rules), config.override_rule_set
    )
    if version is not None and (mark or version_of(metadata) is not None):
        metadata = with_version(metadata, version)
    return replace(schema, metadata=metadata, rule_set=rules)
