"""What is right and wrong about a connector's configuration, option by option.

Kafka: `AbstractHerder.validateConnectorConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aliran.connectors.api.connector import Connector, SourceConnector
from aliran.connectors.config.definition import ConfigKey, ConfigValue
from aliran.connectors.errors import ConfigError, ConnectError
from aliran.connectors.runtime.definitions import SINK, SOURCE, topics_errors
from aliran.connectors.runtime.exactly_once import problems_of
from aliran.connectors.runtime.parts import (
    Row,
    known_parts,
    part_rows,
    topic_creation_errors,
    version_problem,
)
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

    def __init__(self, name: str, groups: list[str], rows: list[Row]) -> None:
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


def validate(
    worker: Worker, plugin: Plugin, config: Mapping[str, str | None], *, check: bool = True
) -> Findings:
    """Look at a configuration; if all is right, the connector tries it (`Connector.check`).

    Args:
        worker: Knows plugins, and what placeholders stand for.
        plugin: The connector.
        config: The configuration.
        check: Whether it is tried; `aliran.check=false` says no as well.
    """
    definition = SOURCE if plugin.kind == "source" else SINK
    try:
        props = worker.resolved(config)
    except ConfigError as error:
        row = ConfigValue("connector.class", errors=[str(error)])
        return Findings(plugin.name, [], [(definition.keys["connector.class"], row)])
    values = definition.validate(props)
    _check_common(worker, plugin, props, values)
    connector: Connector = plugin.make()
    own = connector.config()
    rows: list[Row] = [
        (_with_default(worker, definition.keys.get(name)), value) for name, value in values.items()
    ]
    parts = list(part_rows(worker.plugins, props))
    named = [row for row in parts if ".converter." not in row[1].name]
    rows += named
    for name, value in connector.validate(props).items():
        if name in values:
            values[name].errors += value.errors
        else:
            rows.append((own.keys.get(name), value))
    rows += [row for row in parts if row not in named]
    of_parts = (key.group for key, _ in parts if key is not None and key.group)
    groups = list(dict.fromkeys([*definition.groups(), *own.groups(), *of_parts]))
    if isinstance(connector, SourceConnector) and not values["exactly.once.support"].errors:
        _check_exactly_once(worker, connector, props, values)
    findings = Findings(plugin.name, groups, rows)
    if not findings.errors:
        _try_parts(worker, props, values)
    if check and not findings.errors and values["aliran.check"].value:
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


def _with_default(worker: Worker, key: ConfigKey | None) -> ConfigKey | None:
    """Return an option with the worker's default, where that is its default."""
    if key is None or key.default is not None or key.name not in worker.settings:
        return key
    return replace(key, default=worker.settings[key.name])


def _check_common(
    worker: Worker, plugin: Plugin, props: Mapping[str, str], values: Mapping[str, ConfigValue]
) -> None:
    """Look at what every connector has: versions, names of converters, topics."""
    if plugin.kind == "sink":
        for name, text in topics_errors(dict(props)).items():
            values[name].errors.append(text)
    else:
        values["topic.creation.groups"].errors += topic_creation_errors(props)
    version = values["connector.plugin.version"]
    version.value, version.recommended = version.value or plugin.version, [plugin.version]
    if problem := version_problem(props.get("connector.plugin.version"), plugin):
        version.errors.append(problem)
    for option in ("key.converter", "value.converter", "header.converter"):
        kind = "header_converter" if option.startswith("header") else "converter"
        name = props.get(option) or worker.settings[option]
        try:
            part = worker.plugins.part(kind, name)
        except ConfigError as error:
            values[option].errors.append(
                f"Invalid value {name} for configuration {option}: {error}"
            )
            continue
        values[option].value, values[option].recommended = name, known_parts(worker.plugins, kind)
        chosen = values[f"{option}.plugin.version"]
        chosen.value, chosen.recommended = chosen.value or part.version, [part.version]
        if problem := version_problem(props.get(chosen.name), part):
            chosen.errors.append(problem)


def _try_parts(worker: Worker, props: Mapping[str, str], values: Mapping[str, ConfigValue]) -> None:
    """Put converters and transformations together: some look at several options at once."""
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


_NOT_ENABLED = (
    "This worker does not have exactly-once source support enabled. "
    "(exactly.once.source.support=enabled in its configuration does so.)"
)
_UNKNOWN_SUPPORT = (
    "The connector does not implement the API required for preflight validation of exactly-once "
    "source support. Please consult the documentation for the connector to determine whether it "
    "supports exactly-once semantics, and then consider reconfiguring the connector to use the "
    'value "requested" for this property (which will disable this preflight check and allow the '
    "connector to be created)."
)
_UNSUPPORTED = (
    "The connector does not support exactly-once semantics with the provided configuration."
)
_NO_BOUNDARIES = (
    "The connector does not support connector-defined transaction boundaries with the given "
    "configuration. Please reconfigure it to use a different transaction boundary definition."
)


def _check_exactly_once(
    worker: Worker,
    connector: SourceConnector,
    props: Mapping[str, str],
    values: Mapping[str, ConfigValue],
) -> None:
    """Kafka: `validateSourceConnectorExactlyOnceSupport` and its neighbour."""
    errors = values["exactly.once.support"].errors
    if props.get("exactly.once.support", "").lower() == "required":
        support = connector.exactly_once_support(props)
        if not worker.exactly_once:
            errors.append(_NOT_ENABLED)
        elif support is None:
            errors.append(_UNKNOWN_SUPPORT)
        elif not support:
            errors.append(_UNSUPPORTED)
        else:
            errors += problems_of(worker.cluster, worker.offsets, worker.settings, props)
    by_connector = props.get("transaction.boundary", "").lower() == "connector"
    if by_connector and not connector.can_define_transaction_boundaries(props):
        values["transaction.boundary"].errors.append(_NO_BOUNDARIES)
