"""Which connectors, converters, transformations and predicates there are.

Built in, installed (entry points of the group `aliran.connectors`), in folders of `plugin.path`, or
named in full. Kafka's class names work, and its aliases: the name with or without its suffix.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import logging
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from aliran.connectors.api.connector import Connector, SinkConnector, SourceConnector
from aliran.connectors.builtin import BuiltIn
from aliran.connectors.converters.base import Converter
from aliran.connectors.errors import ConfigError
from aliran.connectors.transforms.table import PREDICATES, TRANSFORMATIONS

logger: logging.Logger = logging.getLogger("aliran.connectors")

GROUP = "aliran.connectors"
_SUFFIXES = ("Connector", "Converter")
_CONNECTORS = ("builtin",)
_PARTS = ("converters",)


@dataclass(frozen=True)
class Plugin:
    """Something that a configuration can name.

    Attributes:
        name: What `/connector-plugins` calls it: Kafka's class, or the dotted Python name.
        kind: source, sink, converter, header_converter, transformation or predicate.
        version: Its version.
        load: Gives its class, or what else makes one; imports what it needs.
        also: Further names it goes by.
    """

    name: str
    kind: str
    version: str
    load: Callable[[], Callable[[], Any]]
    also: tuple[str, ...] = ()

    @cached_property
    def cls(self) -> Any:
        """Its class, or what else makes one."""
        return self.load()

    @property
    def short_name(self) -> str:
        """The name to give in a configuration."""
        return (self.also or (self.name,))[0].rsplit(".", 1)[-1]

    def aliases(self) -> Iterator[str]:
        """Yield the names it goes by."""
        for name in (self.name, *self.also):
            simple = name.rsplit(".", 1)[-1]
            yield from (name, simple)
            for suffix in _SUFFIXES:
                if simple.endswith(suffix) and simple != suffix:
                    yield simple.removesuffix(suffix)

    def make(self) -> Any:
        """Return a new instance."""
        return self.cls()

    def description(self) -> dict[str, Any]:
        """Return how REST lists it."""
        return {"class": self.name, "type": self.kind, "version": self.version}


class Plugins:
    """All plugins by their names.

    Args:
        folders: Folders whose Python files hold connectors.
        version: The version of what is built in.

    Attributes:
        version: That version.
    """

    def __init__(self, folders: Iterable[str] = (), version: str = "0") -> None:
        self.version: str = version
        self._all: dict[str, Plugin] = {}
        self._by_alias: dict[tuple[str, str], Plugin] = {}
        self._missing: dict[str, ConfigError] = {}
        for package in _modules(*_CONNECTORS):
            for row in package.CONNECTORS:
                self._add_built_in(package.__name__, row)
        for module in _modules(*_PARTS):
            self._add_module(module, built_in=True)
        for kind, table in (("transformation", TRANSFORMATIONS), ("predicate", PREDICATES)):
            for name, make in table.items():
                self._add(Plugin(name, kind, version, partial(_same, make)))
        for entry in entry_points(group=GROUP):
            self._add_entry(entry.name, entry)
        for folder in folders:
            self._add_folder(Path(folder))

    def all(self, *, connectors_only: bool) -> list[Plugin]:
        """Return the plugins, connectors first."""
        order = ["sink", "source", "converter", "header_converter", "predicate", "transformation"]
        found = sorted(self._all.values(), key=lambda one: (order.index(one.kind), one.name))
        return [one for one in found if not connectors_only or one.kind in {"source", "sink"}]

    def of_kind(self, kind: str) -> list[Plugin]:
        """Return the plugins of one kind."""
        return [one for one in self._all.values() if one.kind == kind]

    def connector(self, name: str) -> Plugin:
        """Return a connector.

        Raises:
            ConfigError: There is none of this name.
        """
        for kind in ("source", "sink"):
            if (kind, name) in self._by_alias:
                return self._by_alias[kind, name]
        if name in self._missing:
            raise self._missing[name]
        cls = _imported(name)
        if cls is not None and issubclass(cls, Connector):
            return self.add_connector(cls)
        known = ", ".join(one.name for one in self.all(connectors_only=True))
        raise ConfigError(
            f"Failed to find any class that implements Connector and which name matches {name}, "
            f"available connectors are: {known}"
        )

    def part(self, kind: str, name: str) -> Plugin:
        """Return a converter, transformation or predicate.

        Raises:
            ConfigError: There is none of this name.
        """
        kinds = {"header_converter", "converter"} if "converter" in kind else {kind}
        for one in (kind, *kinds):
            if (one, name) in self._by_alias:
                return self._by_alias[one, name]
        cls = _imported(name)
        if cls is not None and callable(getattr(cls, "configure", None)):
            return Plugin(name, kind, self.version, lambda: cls)
        raise ConfigError(f"Class {name} could not be found.")

    def find(self, name: str) -> Plugin | None:
        """Return any plugin of this name, None if there is none."""
        for (_, alias), plugin in self._by_alias.items():
            if alias == name:
                return plugin
        return None

    # ------------------------------------------------------------------ finding them

    def add_connector(self, cls: type[Connector]) -> Plugin:
        """Add a connector class, and return it as a plugin."""
        kind = "source" if issubclass(cls, SourceConnector) else "sink"
        name = f"{cls.__module__}.{cls.__qualname__}"
        also = (getattr(cls, "alias", None) or name,)
        return self._add(Plugin(name, kind, cls.version, lambda: cls, also=also))

    def _add_built_in(self, package: str, row: BuiltIn) -> None:
        kafkas = row.also[0] if row.also[:1] and row.also[0].startswith("org.apache.") else None
        name = kafkas or f"aliran.connectors.{row.alias}"
        also = (row.alias, f"{row.alias}Connector", *row.also)
        plugin = Plugin(name, row.kind, self.version, partial(_loaded, package, row), also=also)
        if all(importlib.util.find_spec(one) for one in row.needs):
            self._add(plugin)
            return
        error = ConfigError(
            f"{row.alias} needs packages that are not installed: pip install 'aliran[{row.extra}]'"
        )
        self._missing.update(dict.fromkeys(plugin.aliases(), error))

    def _add(self, plugin: Plugin) -> Plugin:
        self._all.setdefault(f"{plugin.kind} {plugin.name}", plugin)
        for alias in plugin.aliases():
            self._by_alias.setdefault((plugin.kind, alias), plugin)
        return plugin

    def _add_module(self, module: ModuleType, *, built_in: bool = False) -> None:
        for value in list(vars(module).values()):
            connector = getattr(value, "connector", None)
            if inspect.isclass(connector) and issubclass(connector, Connector):
                self.add_connector(connector)  # what @source and @sink give
            if not inspect.isclass(value) or inspect.isabstract(value):
                continue
            if issubclass(value, (SourceConnector, SinkConnector)):
                if value.__module__ == module.__name__:
                    self.add_connector(value)
            elif built_in and value.__module__ == module.__name__ and "java_class" in vars(value):
                self._add_part(value)

    def _add_part(self, cls: type[Any]) -> None:
        name = cls.java_class
        if issubclass(cls, Converter):
            self._add(Plugin(name, "converter", self.version, lambda: cls))
            if name.endswith(("SimpleHeaderConverter", "StringConverter", "JsonConverter",
                              "ByteArrayConverter")):  # fmt: skip
                self._add(Plugin(name, "header_converter", self.version, lambda: cls))

    def _add_entry(self, name: str, entry: Any) -> None:
        try:
            loaded = entry.load()
        except Exception:  # somebody's package is broken: the others work
            logger.exception("the connector %r of an installed package cannot be loaded", name)
            return
        if isinstance(loaded, ModuleType):
            self._add_module(loaded)
            return
        cls = getattr(loaded, "connector", loaded)
        if inspect.isclass(cls) and issubclass(cls, Connector):
            plugin = self.add_connector(cls)
            self._by_alias.setdefault((plugin.kind, name), plugin)
        else:
            logger.error("the entry point %r of %s is no connector", name, GROUP)

    def _add_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ConfigError(f"plugin.path: {folder} is no folder")
        for file in sorted(folder.glob("*.py")):
            spec = importlib.util.spec_from_file_location(f"aliran_plugin_{file.stem}", file)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            try:
                spec.loader.exec_module(module)
            except Exception as error:
                raise ConfigError(f"plugin.path: {file} cannot be loaded: {error}") from error
            self._add_module(module)


def import_built_in() -> None:
    """Import what every `Plugins` imports, so that they are made quickly from then on."""
    for _ in _modules(*_CONNECTORS, *_PARTS):
        pass


def _modules(*packages: str) -> Iterator[ModuleType]:
    for package in packages:
        root = importlib.import_module(f"aliran.connectors.{package}")
        for info in pkgutil.iter_modules(root.__path__, f"{root.__name__}."):
            try:
                yield importlib.import_module(info.name)
            except ModuleNotFoundError as error:  # what needs an extra that is not installed
                if (error.name or "").startswith("aliran"):
                    raise
                logger.debug("%s is not available: %s", info.name, error)


def _same(make: Callable[[], Any]) -> Callable[[], Any]:
    return make


def _loaded(package: str, row: BuiltIn) -> type[Any]:
    """Return the class of a connector that comes with Aliran."""
    module, _, attribute = row.place.partition(":")
    value = getattr(importlib.import_module(f"{package}.{module}"), attribute)
    cls: type[Any] = getattr(value, "connector", value)
    return cls


def _imported(name: str) -> type[Any] | None:
    """Return the class of a dotted Python name, None if there is none."""
    module_name, _, attribute = name.rpartition(".")
    if not module_name:
        return None
    try:
        value = getattr(importlib.import_module(module_name), attribute, None)
    except ImportError:
        return None
    value = getattr(value, "connector", value)
    return value if inspect.isclass(value) else None
