"""`ConfigDef`: which options there are, and what is right about a configuration.

Kafka: `org.apache.kafka.common.config.ConfigDef`. One definition parses a configuration, validates
it option by option, and describes itself, all with Kafka's texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol, Self

from aliran.connectors.config.values import Type, Validator, format_value, parse
from aliran.connectors.errors import ConfigError


class Importance(StrEnum):
    """How much an option matters. Kafka: `ConfigDef.Importance`."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class Width(StrEnum):
    """How wide a form's field should be. Kafka: `ConfigDef.Width`."""

    NONE = "NONE"
    SHORT = "SHORT"
    MEDIUM = "MEDIUM"
    LONG = "LONG"


class _NoDefault:
    def __repr__(self) -> str:
        return "NO_DEFAULT"


NO_DEFAULT: Final = _NoDefault()
"""The default of an option that must be given. Kafka: `ConfigDef.NO_DEFAULT_VALUE`."""


class Recommender(Protocol):
    """Says which values would do, and whether an option matters now (`ConfigDef.Recommender`)."""

    def valid_values(self, name: str, parsed: Mapping[str, Any]) -> Sequence[Any]:
        """Return values that are right given the others; empty for any."""
        ...

    def visible(self, name: str, parsed: Mapping[str, Any]) -> bool:
        """Return whether the option matters given the others."""
        ...


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """One option. Kafka: `ConfigDef.ConfigKey`.

    Attributes:
        name: Its name, such as `file`.
        type: What its value is.
        default: Its value where none is given, or NO_DEFAULT.
        documentation: What it does.
        importance: How much it matters.
        validator: Checks a parsed value; None for any.
        group: The group of a form that it belongs to.
        order: Its place in the group.
        width: How wide a form's field should be.
        display_name: Its name in a form; its name where empty.
        dependents: Options whose values or visibility depend on it.
        recommender: Knows values that would do.
        internal: Whether it is left out of descriptions.
    """

    name: str
    type: Type = Type.STRING
    default: Any = NO_DEFAULT
    documentation: str = ""
    importance: Importance = Importance.MEDIUM
    validator: Validator | None = None
    group: str | None = None
    order: int = -1
    width: Width = Width.NONE
    display_name: str = ""
    dependents: tuple[str, ...] = ()
    recommender: Recommender | None = None
    internal: bool = False

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is NO_DEFAULT

    def value_of(self, given: Mapping[str, Any]) -> Any:
        """Return the parsed and checked value of this option.

        Raises:
            ConfigError: It is missing, or wrong.
        """
        value = self.parsed(given)
        self.check(value)
        return value

    def parsed(self, given: Mapping[str, Any]) -> Any:
        """Return the parsed value of this option.

        Raises:
            ConfigError: It is missing, or of another type.
        """
        if self.name in given:
            value = parse(self.name, given[self.name], self.type)
        elif self.required:
            raise ConfigError(
                f'Missing required configuration "{self.name}" which has no default value.'
            )
        else:
            value = parse(self.name, self.default, self.type)
        return value

    def check(self, value: Any) -> None:
        """Check a parsed value.

        Raises:
            ConfigError: It is wrong.
        """
        if self.validator is not None:
            self.validator(self.name, value)

    def description(self) -> dict[str, Any]:
        """Return how REST describes it (`ConfigKeyInfo`)."""
        default = None
        if not self.required and self.default is not None:
            default = format_value(parse(self.name, self.default, self.type))
        return {
            "name": self.name,
            "type": self.type.value,
            "required": self.required,
            "default_value": default,
            "importance": self.importance.value,
            "documentation": self.documentation,
            "group": self.group,
            "order_in_group": self.order,
            "width": self.width.value,
            "display_name": self.display_name or self.name,
            "dependents": list(self.dependents),
        }


@dataclass(slots=True)
class ConfigValue:
    """What validation found about one option. Kafka: `ConfigValue`.

    Attributes:
        name: The option.
        value: Its parsed value, None where there is none or it is wrong.
        recommended: Values that would do.
        errors: What is wrong.
        visible: Whether it matters given the others.
    """

    name: str
    value: Any = None
    recommended: list[Any] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    visible: bool = True

    def description(self) -> dict[str, Any]:
        """Return how REST shows it (`ConfigValueInfo`); secrets are hidden."""
        return {
            "name": self.name,
            "value": None if self.value is None else format_value(self.value),
            "recommended_values": [format_value(one) for one in self.recommended],
            "errors": self.errors,
            "visible": self.visible,
        }


class ConfigDef:
    """Options by name, in the order of their definition.

    Args:
        keys: The options.

    Raises:
        ConfigError: One is defined twice.
    """

    def __init__(self, keys: Iterable[ConfigKey] = ()) -> None:
        self._keys: dict[str, ConfigKey] = {}
        for key in keys:
            self.define(key)

    @property
    def keys(self) -> Mapping[str, ConfigKey]:
        """The options by name."""
        return self._keys

    def define(self, key: ConfigKey) -> Self:
        """Add an option.

        Raises:
            ConfigError: There is one of this name.
        """
        if key.name in self._keys:
            raise ConfigError(f"Configuration {key.name} is defined twice.")
        self._keys[key.name] = key
        return self

    def groups(self) -> list[str]:
        """Return the groups, in the order of their first option."""
        return list(dict.fromkeys(key.group for key in self._keys.values() if key.group))

    def parse(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of all options.

        Raises:
            ConfigError: The first that is missing or wrong.
        """
        self._check_dependents()
        return {name: key.value_of(given) for name, key in self._keys.items()}

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Return what is to be said about each option (`ConfigDef.validateAll`)."""
        parsed: dict[str, Any] = {}
        found: dict[str, ConfigValue] = {}
        for name, key in self._keys.items():
            row = found[name] = ConfigValue(name)
            try:
                row.value = parsed[name] = key.parsed(given)
                key.check(row.value)
            except ConfigError as error:
                row.errors.append(str(error))
        for name in self._undefined():
            found[name] = ConfigValue(
                name, errors=[f"{name} is referred in the dependents, but not defined."]
            )
        for name, key in self._keys.items():
            if key.recommender is not None:
                self._recommend(key, key.recommender, parsed, found[name])
        return found

    @staticmethod
    def _recommend(
        key: ConfigKey, recommender: Recommender, parsed: Mapping[str, Any], row: ConfigValue
    ) -> None:
        try:
            row.recommended = list(recommender.valid_values(key.name, parsed))
            row.visible = recommender.visible(key.name, parsed)
        except ConfigError as error:
            row.errors.append(str(error))

    def _undefined(self) -> list[str]:
        wanted = (name for key in self._keys.values() for name in key.dependents)
        return [name for name in dict.fromkeys(wanted) if name not in self._keys]

    def _check_dependents(self) -> None:
        if undefined := self._undefined():
            raise ConfigError(
                f"Some configurations are referred in the dependents, but not defined: "
                f"{', '.join(undefined)}"
            )
