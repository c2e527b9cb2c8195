"""A parsed file → Confluent's text of it: no comments, messages before enums, two spaces a level.

Confluent: `ProtobufSchemaUtils.toString`. What is stored, hashed and compared is this text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from proto_schema_parser import ast

from aliran.schema_registry.formats import jackson

N = TypeVar("N")

_MAX_TAG = 536_870_911
_ESCAPED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
}


class Printer:
    """Prints files.

    Args:
        normalize: Whether what has no meaning is put in order: imports, options, fields, ranges.
        ignore_extensions: Whether extensions and options of one's own are left out.
        as_source: Whether protoc is to read it: synthetic messages of maps are maps again.
    """

    def __init__(
        self,
        *,
        normalize: bool = False,
        ignore_extensions: bool = False,
        as_source: bool = False,
    ) -> None:
        self._normalize = normalize
        self._ignores_extensions = ignore_extensions
        self._as_source = as_source

    # ------------------------------------------------------------------ files

    def file(self, file: ast.File) -> str:
        """Return the text of a file."""
        elements = file.file_elements
        return "".join(
            [
                self._syntax(file),
                *(f"package {each.name};\n" for each in _only(elements, ast.Package)),
                _section(self._imports(_only(elements, ast.Import))),
                _section(self._options(elements)),
                _section(
                    [
                        *map(self.message, _only(elements, ast.Message)),
                        *map(self.enum, _only(elements, ast.Enum)),
                    ]
                ),
                _section(self._extends(elements)),
                _section(map(self._service, _only(elements, ast.Service))),
            ]
        )

    def _syntax(self, file: ast.File) -> str:
        if file.edition is not None:
            return f'edition = "{file.edition}";\n'
        if file.syntax is None or (self._normalize and file.syntax != "proto3"):
            return ""
        return f'syntax = "{file.syntax}";\n'

    def _imports(self, imports: Sequence[ast.Import]) -> list[str]:
        plain = [each.name for each in imports if not each.public and not each.weak]
        public = [each.name for each in imports if each.public]
        if self._normalize:
            plain, public = sorted(set(plain)), sorted(set(public))
        if self._as_source:
            plain += [each.name for each in imports if each.weak]
        return [
            *(f'import "{name}";\n' for name in plain),
            *(f'import public "{name}";\n' for name in public),
        ]

    def _service(self, service: ast.Service) -> str:
        methods = map(self._method, _only(service.elements, ast.Method))
        return _block(f"service {service.name}", self._options(service.elements), methods)

    def _method(self, method: ast.Method) -> str:
        given, answered = (
            f"{'stream ' if each.stream else ''}{each.type}"
            for each in (method.input_type, method.output_type)
        )
        options = self._options(method.elements)
        body = f" {{\n{_indented(options)}}}" if options else ""
        return f"rpc {method.name} ({given}) returns ({answered}){body};\n"

    # ------------------------------------------------------------------ messages

    def message(self, message: ast.Message) -> str:
        """Return the text of a message."""
        elements = message.elements
        return _block(
            f"message {message.name}",
            self._reserved(elements, ast.Reserved),
            self._options(elements),
            map(self._field, self._fields(elements)),
            map(self._one_of, self._one_ofs(elements)),
            map(self._group, self._sorted(_only(elements, ast.Group))),
            [] if self._ignores_extensions else self._ranges(elements),
            self._extends(elements),
            [
                *map(self.message, _only(elements, ast.Message)),
                *map(self.enum, _only(elements, ast.Enum)),
            ],
        )

    def _fields(self, elements: Sequence[Any]) -> list[Any]:
        found = [each for each in elements if isinstance(each, ast.Field | ast.MapField)]
        return self._sorted(found)

    def _sorted(self, numbered: Sequence[Any]) -> list[Any]:
        return sorted(numbered, key=_number) if self._normalize else list(numbered)

    def _one_ofs(self, elements: Sequence[Any]) -> list[ast.OneOf]:
        found = _only(elements, ast.OneOf)
        if self._normalize:
            found = [each for each in found if self._fields(each.elements)]
            found.sort(key=lambda each: _number(self._fields(each.elements)[0]))
        return found

    def _one_of(self, one_of: ast.OneOf) -> str:
        return _block(
            f"oneof {one_of.name}",
            self._options(one_of.elements),
            map(self._field, self._fields(one_of.elements)),
            map(self._group, self._sorted(_only(one_of.elements, ast.Group))),
        )

    def _group(self, group: ast.Group) -> str:
        begin = f"{_label(group.cardinality)}group {group.name} = {group.number}"
        return _block(begin, map(self._field, self._fields(group.elements)))

    def _field(self, field: ast.Field | ast.MapField) -> str:
        if isinstance(field, ast.MapField):
            begin = f"map<{field.key_type}, {field.value_type}>"
        else:
            begin = f"{_label(field.cardinality)}{field.type}"
        options = self._in_brackets(field.options, raw=begin.endswith("bytes"))
        return f"{begin} {field.name} = {field.number}{options};\n"

    def _extends(self, elements: Sequence[Any]) -> list[str]:
        found = _only(elements, ast.Extension)
        if self._ignores_extensions:
            return []
        if self._normalize:
            by_name: dict[str, list[Any]] = {}
            for each in found:
                by_name.setdefault(each.typeName, []).extend(each.elements)
            found = [ast.Extension(name, fields) for name, fields in by_name.items()]
        return [
            _block(
                f"extend {each.typeName}",
                map(self._field, self._fields(each.elements)),
                map(self._group, self._sorted(_only(each.elements, ast.Group))),
            )
            for each in found
        ]

    # ------------------------------------------------------------------ enums

    def enum(self, enum: ast.Enum) -> str:
        """Return the text of an enum."""
        constants = _only(enum.elements, ast.EnumValue)
        if self._normalize:
            constants.sort(key=lambda each: (int(each.number), each.name))
        reserved = self._reserved(enum.elements, ast.EnumReserved)
        rest = [*self._options(enum.elements), *map(self._constant, constants)]
        if reserved:
            return _block(f"enum {enum.name}", [*reserved, *rest])
        return _block(f"enum {enum.name}", rest)

    def _constant(self, constant: ast.EnumValue) -> str:
        return f"{constant.name} = {int(constant.number)}{self._in_brackets(constant.options)};\n"

    # ------------------------------------------------------------------ ranges

    def _reserved(self, elements: Sequence[Any], kind: Any) -> list[str]:
        lines: list[list[str]] = [
            [*map(_range, each.ranges), *(f'"{name}"' for name in each.names)]
            for each in _only(elements, kind)
        ]
        if self._normalize:
            lines = [[one] for line in lines for one in line]
            lines.sort(key=lambda line: (_first_of(line[0]), line[0].strip('"')))
        return [f"reserved {', '.join(line)};\n" for line in lines]

    def _ranges(self, elements: Sequence[Any]) -> list[str]:
        lines: list[tuple[list[str], Any]] = [
            ([*map(_range, each.ranges)], each.options)
            for each in _only(elements, ast.ExtensionRange)
        ]
        if self._normalize:
            lines = [([one], options) for line, options in lines for one in line]
            lines.sort(key=lambda line: _first_of(line[0][0]))
        return [
            f"extensions {', '.join(line)}{self._in_brackets(options)};\n"
            for line, options in lines
        ]

    # ------------------------------------------------------------------ options

    def _options(self, elements: Sequence[Any]) -> list[str]:
        return [f"option {_option(each)};\n" for each in self._chosen(_only(elements, ast.Option))]

    def _in_brackets(self, options: Sequence[ast.Option], *, raw: bool = False) -> str:
        ordered = [each for each in options if each.name not in ("default", "json_name")]
        for name in ("default", "json_name"):  # these are no options, and stand behind them
            ordered += [each for each in options if each.name == name]
        chosen = [
            f'default = "{each.value}"' if raw and each.name == "default" else _option(each)
            for each in self._chosen(ordered)
        ]
        if not chosen:
            return ""
        if len(chosen) == 1:
            return f" [{chosen[0]}]"
        lines = [*(f"{each}," for each in chosen[:-1]), chosen[-1]]
        return f" [\n{_indented(lines)}]"

    def _chosen(self, options: Sequence[ast.Option]) -> list[ast.Option]:
        found = list(options)
        if self._ignores_extensions:
            found = [
                each
                for each in found
                if not each.name.startswith("(") or each.name.startswith("(confluent.")
            ]
        if self._normalize:
            found.sort(key=lambda each: each.name.strip("()"))
        return found


def _option(option: ast.Option) -> str:
    value = option.value
    if isinstance(value, ast.MessageLiteral):
        return f"{option.name} = {_literal(value)}"
    return f"{option.name} = {_scalar(value)}"


def _literal(literal: ast.MessageLiteral) -> str:
    fields = _only(literal.elements, ast.MessageLiteralField)
    # Of a field that comes several times, all values stand in one list.
    values: dict[str, list[Any]] = {}
    for field in fields:
        values.setdefault(field.name, []).append(field.value)
    lines = [
        f"{name}: {_value(found[0] if len(found) == 1 else found)}"
        for name, found in values.items()
    ]
    return f"{{\n{_indented(_with_commas(lines))}}}"


def _value(value: Any) -> str:
    if isinstance(value, ast.MessageLiteral):
        return _literal(value)
    if isinstance(value, list):
        return f"[\n{_indented(_with_commas([*map(_value, value)]))}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, ast.Identifier):
        return value.name
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return jackson.double(value)
    if isinstance(value, str):
        return f'"{escaped(unescaped(value))}"'
    return str(value)


def unescaped(text: str) -> str:
    """Return what a string of a .proto file stands for."""
    if "\\" not in text:
        return text
    found, at = [], 0
    while at < len(text):
        if text[at] != "\\" or at + 1 == len(text):
            found.append(text[at])
            at += 1
            continue
        one, at = _escape(text, at + 1)
        found.append(one)
    return "".join(found)


def _escape(text: str, at: int) -> tuple[str, int]:
    """Return the character behind a backslash, and where it ends."""
    kind = text[at]
    if kind in "01234567":
        end = at
        while end < len(text) and end < at + 3 and text[end] in "01234567":
            end += 1
        return chr(int(text[at:end], 8)), end
    for marks, size in (("xX", 2), ("u", 4), ("U", 8)):
        if kind in marks:
            end = at + 1
            while end < len(text) and end < at + 1 + size and text[end] in _HEX:
                end += 1
            return (chr(int(text[at + 1 : end], 16)) if end > at + 1 else kind), end
    return _SIMPLE.get(kind, kind), at + 1


_HEX = "0123456789abcdefABCDEF"
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def escaped(text: str) -> str:
    """Return a string as it stands between quotes."""
    return "".join(_ESCAPED.get(each, each) for each in text)


# ---------------------------------------------------------------------------- pieces


def _only(elements: Iterable[Any], kind: type[N]) -> list[N]:
    return [each for each in elements if isinstance(each, kind)]


def _number(element: Any) -> int:
    return int(element.number)


def _label(cardinality: ast.FieldCardinality | None) -> str:
    return "" if cardinality is None else f"{cardinality.value.lower()} "


def _range(text: str) -> str:
    start, _, end = text.partition(" to ")
    return f"{start} to max" if end in ("max", str(_MAX_TAG)) else text


def _first_of(entry: str) -> int:
    number = entry.partition(" ")[0]
    return int(number) if number.lstrip("-").isdigit() else 1 << 31


def _section(lines: Iterable[str]) -> str:
    text = "".join(lines)
    return f"\n{text}" if text else ""


def _block(begin: str, *sections: Iterable[str]) -> str:
    body = "".join(f"\n{_indented(lines)}" for section in sections if (lines := list(section)))
    return f"{begin} {{{body}}}\n"


def _indented(texts: Iterable[str]) -> str:
    return "".join(f"  {line}\n" for text in texts for line in text.splitlines())


def _with_commas(lines: Sequence[str]) -> Iterator[str]:
    for at, line in enumerate(lines):
        yield line if at == len(lines) - 1 else f"{line},"
