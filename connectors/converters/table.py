"""Names of converters, Java's and short ones, → ours."""

from __future__ import annotations

from collections.abc import Callable

from aliran.connectors.converters import simple
from aliran.connectors.converters.base import Converter
from aliran.connectors.converters.json import JsonConverter

CONVERTERS: dict[str, Callable[[], Converter]] = {
    each.java_class: each
    for each in (
        JsonConverter,
        simple.StringConverter,
        simple.ByteArrayConverter,
        simple.BooleanConverter,
        simple.ShortConverter,
        simple.IntegerConverter,
        simple.LongConverter,
        simple.FloatConverter,
        simple.DoubleConverter,
        simple.SimpleHeaderConverter,
    )
}
"""What makes a converter, by Java's name of its class."""


def _short(java_class: str) -> tuple[str, str]:
    name = java_class.rpartition(".")[2]
    return name, name.removesuffix("Converter")


CONVERTER_ALIASES = {alias: name for name in CONVERTERS for alias in _short(name)}
"""Java's names by short ones: `JsonConverter`, `Json`."""


def find_converter(name: str) -> Callable[[], Converter] | None:
    """Return what makes the converter of a name, such as `JsonConverter`; None if unknown."""
    return CONVERTERS.get(CONVERTER_ALIASES.get(name, name))
