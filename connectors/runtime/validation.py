"""What is right and wrong about a connector's configuration, option by option.

Kafka: `AbstractHerder.validateConnectorConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aliran.connectors.api.connector import Connector
from aliran.connectors.config.definition import ConfigKey, ConfigValue
from aliran.connectors.errors import ConfigError, ConnectError
from aliran.connectors.runtime.definitions import SINK, SOURCE, topics_errors
from aliran.connectors.runtime.plugins import Plugin
from aliran.connectors.runtime.worker import Worker

_HINT = (
    "\nYou can also find the above list of errors at the endpoint "
    "`/connector-plugins/{connectorType}/config/validate`"
)


class Findings:
    """What validation found.

    Args:
        name: The connector class.
        groups: Groups of options.
        rows: Definition and value of each option.
    """

    def __init__(
        self, name: str, groups: list[str], rows: list[tuple[ConfigKey | None, ConfigValue]]
    ) -> None:
        self._name = name
        self._groups = groups
        self._rows = rows

    @property
    def errors(self) -> list[str]:
        """All that is wrong."""
        return [error for _, value in self._rows for error in value.errors]

    def answer(self) -> dict[str, Any]:
        """Return how REST shows it (`ConfigInfos`)."""
        return {
            "name": self._name,
            "error_count": len(self.errors),
            "groups": self._groups,
            "configs": [
                {
                    "definition": None if key is None else key.description(),
                    "value": value.description(),
                }
                for key, value in self._rows
            ],
        }

    def raise_if_wrong(self) -> None:
        """Raise all errors in one.

        Raises:
            ConfigError: Something is wrong; the text is Kafka's.
        """
        if errors := self.errors:
            raise ConfigError(
                f"Connector configuration is invalid and contains the following {len(errors)} "
                "error(s):\n" + "\n".join(errors) + _HINT
            )


def validate(worker: Worker, plugin: Plugin, config: Mapping[str, str | None]) -> Findings:
    """Look at a configuration; if all is right, the connector tries it (`Connector.check`)."""
    definition = SOURCE if plugin.kind == "source" else SINK
    try:
        props = worker.resolved(config)
    except ConfigError as error:
        row = ConfigValue("connector.class", errors=[str(error)])
        return Findings(plugin.name, [], [(definition.keys["connector.class"], row)])
    values = definition.validate(props)
    if plugin.kind == "sink":
        for name, text in topics_errors(dict(props)).items():
            values[name].errors.append(text)
    _check_parts(worker, props, values)
    connector: Connector = plugin.make()
    own = connector.config()
    groups = list(dict.fromkeys([*definition.groups(), *own.groups()]))
    rows: list[tuple[ConfigKey | None, ConfigValue]] = [
        (definition.keys.get(name), value) for name, value in values.items()
    ]
    for name, value in connector.validate(props).items():
        if name in values:
            values[name].errors += value.errors
        else:
            rows.append((own.keys.get(name), value))
    findings = Findings(plugin.name, groups, rows)
    if not findings.errors:
        try:
            connector.check(props)
        except ConnectError as error:
            values["connector.class"].errors.append(f"The connector's own check failed: {error}")
    hide = worker.hiding(config)
    for key, value in rows:
        value.errors = [hide(error) for error in value.errors]
        if key is not None and "${" in (config.get(key.name) or ""):
            value.value = config[key.name]  # the placeholder, not what it stands for
    return findings


def _check_parts(
    worker: Worker, props: Mapping[str, str], values: Mapping[str, ConfigValue]
) -> None:
    """Try converters and transformations."""
    wanted = props.get("connector.plugin.version")
    if wanted:
        have = worker.plugins.connector(props["connector.class"]).version
        if wanted.strip("[]") != have:
            values["connector.plugin.version"].errors.append(
                f"Invalid value {wanted} for configuration connector.plugin.version: "
                f"only {have} is installed"
            )
    for option in ("key.converter", "value.converter", "header.converter"):
        try:
            worker.converter(option, props, is_key=option.startswith("key"))
        except ConnectError as error:
            values[option].errors.append(
                f"Invalid value {props.get(option)} for configuration {option}: {error}"
            )
    try:
        worker.transformations(props)
    except ConnectError as error:
        values["transforms"].errors.append(str(error))
