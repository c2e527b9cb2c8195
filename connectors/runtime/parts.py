"""The options of a connector's parts: converters, transformations, predicates, topics it makes.

Kafka: `ConnectorConfig.EnrichablePlugin`, `SourceConnectorConfig.enrich`, and the validation of
converters in `AbstractHerder`. Which options there are depends on what the configuration names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from aliran.connectors.config.definition import (
    NO_DEFAULT,
    ConfigDef,
    ConfigKey,
    ConfigValue,
    Importance,
    Width,
)
from aliran.connectors.config.values import Type
from aliran.connectors.errors import ConfigError, ConnectError
from aliran.connectors.runtime.plugins import Plugin, Plugins

Row = tuple[ConfigKey | None, ConfigValue]

_HIGH = Importance.HIGH
_CONVERTERS = ("key.converter", "value.converter", "header.converter")


def names_in(text: str | None) -> list[str]:
    """Return the names of a list such as `transforms=a,b`, each once."""
    found = [one.strip() for one in (text or "").split(",")]
    return list(dict.fromkeys(one for one in found if one))


def part_rows(plugins: Plugins, props: Mapping[str, str]) -> Iterator[Row]:
    """Yield option by option what is to be said about transformations, predicates, converters."""
    for alias in names_in(props.get("transforms")):
        yield from _plugin_rows(plugins, props, "transformation", f"transforms.{alias}", alias)
    for alias in names_in(props.get("predicates")):
        yield from _plugin_rows(plugins, props, "predicate", f"predicates.{alias}", alias)
    for option in _CONVERTERS:
        if option in props:
            yield from _converter_rows(plugins, props, option)


def _plugin_rows(
    plugins: Plugins, props: Mapping[str, str], kind: str, prefix: str, alias: str
) -> Iterator[Row]:
    group = f"{prefix.split('.', maxsplit=1)[0].capitalize()}: {alias}"
    label, known = kind.capitalize(), plugins.of_kind(kind)
    type_key = _key(f"{prefix}.type", Type.CLASS, NO_DEFAULT, _HIGH, f"What {kind} it is.",
                    group, 0, f"{label} type for {alias}")  # fmt: skip
    row = _value(type_key, props)
    row.recommended = sorted(one.name for one in known)
    plugin: Plugin | None = None
    if not row.errors:
        try:
            plugin = plugins.part(kind, props[type_key.name])
        except ConfigError as error:
            row.errors.append(
                f"Invalid value {props[type_key.name]} for configuration {type_key.name}: {error}"
            )
    yield type_key, row
    if plugin is None:
        return
    version = _key(f"{prefix}.plugin.version", Type.STRING, plugin.version, _HIGH,
                   "Its version; only the installed one.", group, 1,
                   f"{label} version for {alias}")  # fmt: skip
    yield version, _version_value(version, props, plugin)
    own: list[ConfigKey] = [*plugin.make().config().keys.values()]
    if kind == "transformation":
        own.append(
            ConfigKey("negate", Type.BOOLEAN, False, "Whether the predicate's answer is turned.")
        )
        own.append(
            ConfigKey("predicate", Type.STRING, None, "The predicate that chooses its records.")
        )
    for order, key in enumerate(own, 2):
        full = replace(
            key, name=f"{prefix}.{key.name}", group=group, order=order,
            display_name=key.display_name or key.name,
        )  # fmt: skip
        yield full, _value(full, props)


def _converter_rows(plugins: Plugins, props: Mapping[str, str], option: str) -> Iterator[Row]:
    kind = "header_converter" if option == "header.converter" else "converter"
    try:
        plugin = plugins.part(kind, props[option])
    except ConnectError:
        return  # the row of the option itself says so
    given = {f"{option}.converter.type": option.removesuffix(".converter"), **props}
    for key in plugin.make().config().keys.values():
        full = replace(
            key, name=f"{option}.{key.name}", display_name=key.display_name or key.name
        )  # fmt: skip
        yield full, _value(full, given, shown=key.name)


def topic_creation_errors(props: Mapping[str, str]) -> list[str]:
    """Return what is missing where a source is to make its topics (KIP-158)."""
    prefix = "topic.creation."
    if not any(name.startswith(prefix) for name in props):
        return []
    wanted = [f"{prefix}default.replication.factor", f"{prefix}default.partitions"]
    wanted += [
        f"{prefix}{group}.include"
        for group in names_in(props.get(f"{prefix}groups"))
        if group != "default"
    ]
    return [
        f'Missing required configuration "{name}" which has no default value.'
        for name in wanted
        if name not in props
    ]


def _key(
    name: str, kind: Type, default: object, importance: Importance, documentation: str,
    group: str, order: int, label: str,
) -> ConfigKey:  # fmt: skip
    return ConfigKey(
        name, kind, default, documentation, importance, None, group, order, Width.LONG, label
    )


def _value(key: ConfigKey, props: Mapping[str, str], shown: str | None = None) -> ConfigValue:
    """Return what is to be said about an option; errors call it `shown`."""
    row = ConfigDef([key]).validate(props)[key.name]
    if shown is not None:
        row.errors = [one.replace(key.name, shown) for one in row.errors]
    return row


def _version_value(key: ConfigKey, props: Mapping[str, str], plugin: Plugin) -> ConfigValue:
    row = _value(key, props)
    row.recommended = [plugin.version]
    if problem := version_problem(props.get(key.name), plugin):
        row.errors.append(problem)
    return row


def version_problem(wanted: str | None, plugin: Plugin) -> str | None:
    """Return why a wanted version cannot be had; None if it can, or none is wanted."""
    if wanted is None or wanted.strip("[]") == plugin.version:
        return None
    exact = wanted if wanted[:1] in {"[", "("} else f"[{wanted},{wanted}]"
    return (
        f"Plugin {plugin.name} not found that matches the version range {exact}, "
        f"available versions: [{plugin.version}]"
    )


def known_parts(plugins: Plugins, kind: str) -> list[str]:
    """Return the names of all converters, say, as forms recommend them."""
    found = {one.name for one in plugins.of_kind(kind)}
    if kind == "header_converter":  # any converter can be one
        found |= {one.name for one in plugins.of_kind("converter")}
    return sorted(found)
