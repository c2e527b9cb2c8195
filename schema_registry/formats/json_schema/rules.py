"""What may differ between two JSON Schemas, and whether the newer one still reads old data.

Names, verdicts and messages are Confluent's (`json.diff.Difference`, `json.diff.SchemaDiff`), but
for the rules under "ours": Confluent does not compare those keywords, so it lets pass schemas which
refuse data that was valid before.
"""

from __future__ import annotations

from dataclasses import dataclass

from aliran.schema_registry.formats.base import Incompatibility
from aliran.schema_registry.models import CompatibilityPolicy

_KEYWORD = "The keyword at path '{}' in the %s schema is not present in the %s schema"
_MORE = "The value at path '{}' in the %s schema is more than its value in the %s schema"
_LESS = "The value at path '{}' in the %s schema is less than its value in the %s schema"
_DIFFERENT = "The value at path '{}' is different between the %s and %s schema"
_FEWER = (
    "An array or combined type at path '{}' has fewer elements in the %s schema than the %s schema"
)
_LONGER = (
    "An array or combined type at path '{}' has more elements in the %s schema than the %s schema"
)
_TYPE = "A type at path '{}' is different between the %s schema and the %s schema"
_OPEN = (
    "The %s schema has an open content model and has a property or item at path '{}' which is "
    "missing in the %s schema"
)
_CLOSED = (
    "The %s has a closed content model and is missing a property or item present at path '{}' in "
    "the %s schema"
)
_NOT_COVERED = (
    "A property or item is missing in the %s schema but present at path '{}' in the %s schema and "
    "is not covered by its partially open content model"
)
_ADDED_NOT_COVERED = (
    "The %s schema has a property or item at path '{}' which is missing in the %s schema and is "
    "not covered by its partially open content model"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A difference that stops reading.

    Attributes:
        text: Confluent's message; `{}` is the path, the two `%s` are reader and writer.
        hint: What to do about it.
        lenient: Whether the policy LENIENT lets it pass.
    """

    text: str
    hint: str
    lenient: bool = False


_LIMIT_HINT = "leave the limit as it was, or make it wider: data written before may exceed it"
_ADD_HINT = "leave the keyword out: data written before did not have to obey it"
_SHRINK_HINT = "keep all that was allowed before; data may hold it"
_OPEN_HINT = (
    "data written before may hold anything under this name, as the older schema has an open "
    "content model. Give the new property the empty schema {}, close the model "
    '("additionalProperties": false) before you add properties, or set compatibilityPolicy LENIENT'
)
_REQUIRED_HINT = "give it a default, or do not require it: data written before may lack it"
_COVER_HINT = (
    "let it have the schema that the content model of the other side (additionalProperties, "
    "patternProperties) gives to this name, or a wider one"
)


def _added(*names: str) -> dict[str, Refusal]:
    return {f"{name}_ADDED": Refusal(_KEYWORD, _ADD_HINT) for name in names}


REFUSALS: dict[str, Refusal] = {
    **_added(
        *("MAXIMUM", "MINIMUM", "EXCLUSIVE_MAXIMUM", "EXCLUSIVE_MINIMUM", "MULTIPLE_OF"),
        *("MAX_LENGTH", "MIN_LENGTH", "PATTERN", "MAX_PROPERTIES", "MIN_PROPERTIES"),
        *("DEPENDENCY_ARRAY", "DEPENDENCY_SCHEMA", "MAX_ITEMS", "MIN_ITEMS", "UNIQUE_ITEMS"),
        *("MAX_CONTAINS", "MIN_CONTAINS"),
    ),
    "REFUSED": Refusal("", ""),  # stands for others, see comparison.py
    "SCHEMA_ADDED": Refusal("", _ADD_HINT),
    "REQUIRED_ATTRIBUTE_ADDED": Refusal(_KEYWORD, _REQUIRED_HINT),
    "ADDITIONAL_ITEMS_REMOVED": Refusal(_KEYWORD, _SHRINK_HINT),
    "ADDITIONAL_PROPERTIES_REMOVED": Refusal(_KEYWORD, _SHRINK_HINT, lenient=True),
    "UNEVALUATED_PROPERTIES_REMOVED": Refusal(_KEYWORD, _SHRINK_HINT, lenient=True),
    "UNEVALUATED_ITEMS_REMOVED": Refusal(_KEYWORD, _SHRINK_HINT),
    **{
        f"{name}_INCREASED": Refusal(_MORE, _LIMIT_HINT)
        for name in ("MIN_LENGTH", "MINIMUM", "EXCLUSIVE_MINIMUM", "MIN_PROPERTIES", "MIN_ITEMS")
    },
    "MIN_CONTAINS_INCREASED": Refusal(_MORE, _LIMIT_HINT),
    "MULTIPLE_OF_EXPANDED": Refusal(_MORE, "use a divisor of the old multipleOf"),
    **{
        f"{name}_DECREASED": Refusal(_LESS, _LIMIT_HINT)
        for name in ("MAX_LENGTH", "MAXIMUM", "MAX_ITEMS", "EXCLUSIVE_MAXIMUM", "MAX_PROPERTIES")
    },
    "MAX_CONTAINS_DECREASED": Refusal(_LESS, _LIMIT_HINT),
    "PATTERN_CHANGED": Refusal(_DIFFERENT, "keep the pattern, or leave it out"),
    "MULTIPLE_OF_CHANGED": Refusal(_DIFFERENT, "use a divisor of the old multipleOf"),
    "DEPENDENCY_ARRAY_CHANGED": Refusal(_DIFFERENT, "demand no property that was not demanded"),
    "ADDITIONAL_ITEMS_NARROWED": Refusal(_FEWER, _SHRINK_HINT),
    "UNEVALUATED_ITEMS_NARROWED": Refusal(_FEWER, _SHRINK_HINT),
    "ADDITIONAL_PROPERTIES_NARROWED": Refusal(_FEWER, _SHRINK_HINT, lenient=True),
    "UNEVALUATED_PROPERTIES_NARROWED": Refusal(_FEWER, _SHRINK_HINT, lenient=True),
    "ENUM_ARRAY_NARROWED": Refusal(_FEWER, "keep all values of the enum"),
    "SUM_TYPE_NARROWED": Refusal(_FEWER, "keep all alternatives"),
    "DEPENDENCY_ARRAY_EXTENDED": Refusal(_LONGER, "demand no property that was not demanded"),
    "PRODUCT_TYPE_EXTENDED": Refusal(_LONGER, "add no condition to allOf"),
    "NOT_TYPE_EXTENDED": Refusal(_LONGER, "let `not` refuse nothing that was allowed"),
    "TYPE_CHANGED": Refusal(_TYPE, "keep the type, or allow both: anyOf with the old one"),
    "TYPE_NARROWED": Refusal(_TYPE, "keep the wider type: data written before may not fit"),
    "COMBINED_TYPE_CHANGED": Refusal(
        _TYPE, "keep allOf, anyOf or oneOf as it was; anyOf may follow"
    ),
    "COMBINED_TYPE_SUBSCHEMAS_CHANGED": Refusal(
        _TYPE, "each alternative needs one on the other side that can read it"
    ),
    "ENUM_ARRAY_CHANGED": Refusal(_TYPE, "keep all values of the enum"),
    "REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL": Refusal(_OPEN, _OPEN_HINT),
    "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL": Refusal(_OPEN, _OPEN_HINT, True),
    "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL": Refusal(_OPEN, _OPEN_HINT, True),
    "ITEM_ADDED_TO_OPEN_CONTENT_MODEL": Refusal(
        _OPEN, "give the item the empty schema {}, or close the array first"
    ),
    "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL": Refusal(
        "The %s schema has an unopen content model and has a required property at path '{}' which "
        "is missing in the %s schema",
        _REQUIRED_HINT,
    ),
    "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL": Refusal(
        _CLOSED, "keep the property, or open the content model", lenient=True
    ),
    "ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL": Refusal(_CLOSED, "keep the item, or open the array"),
    "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL": Refusal(
        _NOT_COVERED, _COVER_HINT, lenient=True
    ),
    "ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL": Refusal(_NOT_COVERED, _COVER_HINT),
    "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL": Refusal(
        _ADDED_NOT_COVERED, _COVER_HINT, lenient=True
    ),
    "ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL": Refusal(
        _ADDED_NOT_COVERED, _COVER_HINT
    ),
    # Ours: Confluent does not look at these.
    "CONTAINS_ADDED": Refusal(_KEYWORD, _ADD_HINT),
    "CONTAINS_CHANGED": Refusal(_DIFFERENT, "keep `contains` where maxContains counts by it"),
    "PROPERTY_NAMES_ADDED": Refusal(_KEYWORD, _ADD_HINT),
    "PATTERN_PROPERTY_ADDED": Refusal(_KEYWORD, _OPEN_HINT, lenient=True),
    "PATTERN_PROPERTY_REMOVED": Refusal(_CLOSED, _COVER_HINT, lenient=True),
    "ALTERNATIVES_MAY_OVERLAP": Refusal(
        "The alternatives of oneOf at path '{}' in the %s schema may overlap, so that data of the "
        "%s schema could match several",
        "tell them apart by type, or by a required property with another const in each; or use "
        "anyOf; or set compatibilityPolicy LENIENT",
        lenient=True,
    ),
    "CONDITION_CHANGED": Refusal(_DIFFERENT, "keep `if`, and make then and else wider only"),
}
"""Every difference that is not in here is compatible."""


def is_compatible(rule: str, policy: CompatibilityPolicy) -> bool:
    """Tell whether a difference leaves old data readable."""
    refusal = REFUSALS.get(rule)
    return refusal is None or (policy == "LENIENT" and refusal.lenient)


def incompatibility(rule: str, path: str) -> Incompatibility:
    """Return a difference as the registry reports it."""
    refusal = REFUSALS[rule]
    description = refusal.text.replace("{}", path)
    return Incompatibility(
        rule,
        path,
        f'{{errorType:"{rule}", description:"{description}\'}}',
        refusal.hint,
    )
