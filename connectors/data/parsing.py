"""Texts → typed values, by what they look like. Kafka: `Values.parseString`.

`true` is a boolean, `1` an INT8, `1.5` a FLOAT32, `2024-01-31` a Date, `[1,2]` an array, `{"a":1}`
a map; what looks like none of these is a text.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from aliran.connectors.data import logical
from aliran.connectors.data.builder import (
    BOOLEAN_SCHEMA,
    FLOAT32_SCHEMA,
    FLOAT64_SCHEMA,
    INT8_SCHEMA,
    INT16_SCHEMA,
    INT32_SCHEMA,
    INT64_SCHEMA,
    STRING_SCHEMA,
    SchemaBuilder,
)
from aliran.connectors.data.date_format import DateFormat
from aliran.connectors.data.java import to_single
from aliran.connectors.data.logical import DATE_SCHEMA, TIME_SCHEMA, TIMESTAMP_SCHEMA
from aliran.connectors.data.schema import (
    BITS,
    DATE_NAME,
    NULL,
    TIME_NAME,
    Schema,
    SchemaAndValue,
    Type,
)
from aliran.connectors.errors import DataError

BLANKS = "".join(map(chr, range(33)))
"""What Java's `trim` takes away."""

DATE_FORMAT = DateFormat("yyyy-MM-dd")
TIME_FORMAT = DateFormat("HH:mm:ss.SSS'Z'")
TIMESTAMP_FORMAT = DateFormat("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")

DECIMAL_TEXT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
"""What `new BigDecimal(text)` takes."""

_TEMPORAL = {
    10: (DATE_SCHEMA, DATE_FORMAT),
    13: (TIME_SCHEMA, TIME_FORMAT),
    24: (TIMESTAMP_SCHEMA, TIMESTAMP_FORMAT),
}
_WHOLE = {Type.INT8: INT8_SCHEMA, Type.INT16: INT16_SCHEMA, Type.INT32: INT32_SCHEMA}
_WIDENING = [*BITS, Type.FLOAT32, Type.FLOAT64]
_DELIMITERS = ':,{}[]"'


def parse_string(text: str | None) -> SchemaAndValue:
    """Return what a text means, with its schema; None is nothing."""
    if text is None:
        return NULL
    if not text:
        return SchemaAndValue(STRING_SCHEMA, text)
    return _ValueParser(text).parse(embedded=False) or NULL


class _Tokens:
    """A text cut at `:,{}[]"`, where no backslash stands before them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._next: str | None = None
        self.previous: str | None = None

    def mark(self) -> int:
        return self.position - len(self._next or "")

    def rewind(self, position: int) -> None:
        self.position, self._next, self.previous = position, None, None

    def has_next(self) -> bool:
        return self._next is not None or self.position < len(self.text)

    def next(self) -> str:
        token = self._cut() if self._next is None else self._next
        self._next, self.previous = None, token
        return token

    def next_several(self, count: int) -> str | None:
        start = self.mark()
        for _ in range(count):
            if not self.has_next():
                self.rewind(start)
                return None
            self.next()
        return self.text[start : self.position]

    def _cut(self) -> str:
        escaped, start = False, self.position
        while self.position < len(self.text):
            char = self.text[self.position]
            if char == "\\":
                escaped = not escaped
            elif char in _DELIMITERS and not escaped:
                if start == self.position:
                    self.position += 1
                break
            else:
                escaped = False
            self.position += 1
        return self.text[start : self.position]

    def take(self, expected: str) -> bool:
        """Skip the next token, and white space before it, if it is the expected one."""
        if self._next is None:
            if not self.has_next():
                return False
            self._next = self._cut()
        while not self._next.strip(BLANKS) and self.position < len(self.text):
            self._next = self._cut()
        if self._next.strip(BLANKS) != expected:
            return False
        self._next = None
        return True


class _ValueParser:
    def __init__(self, text: str) -> None:
        self._tokens = _Tokens(text)

    def _takes_word(self, word: str, *, embedded: bool) -> bool:
        start = self._tokens.mark()
        if self._tokens.take(word) and (embedded or not self._tokens.has_next()):
            return True
        self._tokens.rewind(start)
        return False

    def parse(self, *, embedded: bool) -> SchemaAndValue | None:
        tokens = self._tokens
        if not tokens.has_next():
            return None
        if embedded and tokens.take('"'):
            return self._quoted()
        if self._takes_word("null", embedded=embedded):
            return None
        for word, value in (("true", True), ("false", False)):
            if self._takes_word(word, embedded=embedded):
                return SchemaAndValue(BOOLEAN_SCHEMA, value)
        start = tokens.mark()
        try:
            if tokens.take("["):
                return self._array()
            if tokens.take("{"):
                return self._map()
        except DataError:
            tokens.rewind(start)
        token = tokens.next()
        if not token.strip(BLANKS):
            return SchemaAndValue(STRING_SCHEMA, token)
        return self._token(token.strip(BLANKS), embedded=embedded)

    def _token(self, token: str, *, embedded: bool) -> SchemaAndValue:
        if token[0].isdecimal():
            temporal = self._temporal_of_several(token)
            if temporal is not None:
                return temporal
        if (token[0].isdecimal() or token[0] in "+-") and DECIMAL_TEXT.fullmatch(token):
            return _number(Decimal(token))
        if embedded:
            raise DataError("Failed to parse embedded value")
        return SchemaAndValue(STRING_SCHEMA, self._tokens.text)

    def _quoted(self) -> SchemaAndValue:
        parts = []
        while self._tokens.has_next() and not self._tokens.take('"'):
            parts.append(self._tokens.next())
        text = "".join(parts)
        return _temporal(text) or SchemaAndValue(STRING_SCHEMA, text)

    def _array(self) -> SchemaAndValue:
        tokens = self._tokens
        values: list[Any] = []
        common = _Common()
        while tokens.has_next():
            if tokens.take("]"):
                if common.schema is None:
                    return SchemaAndValue(
                        SchemaBuilder.of_parts(Type.ARRAY, None, None).build(), values
                    )
                schema = SchemaBuilder.array(common.schema).build()
                return SchemaAndValue(schema, [_align(common.schema, each) for each in values])
            if tokens.take(","):
                raise DataError(f"Unable to parse an empty array element: {tokens.text}")
            element = self.parse(embedded=True)
            common.merge(element)
            values.append(element.value if element else None)
            here = tokens.mark()
            if tokens.take("]"):
                tokens.rewind(here)
            elif not tokens.take(","):
                raise DataError("Array elements missing ',' delimiter")
        raise DataError(f"Array is missing terminating ']': {tokens.text}")

    def _map(self) -> SchemaAndValue:
        tokens = self._tokens
        entries: dict[Any, Any] = {}
        keys, values = _Common(), _Common()
        while tokens.has_next():
            if tokens.take("}"):
                return _mapped(entries, keys.schema, values.schema)
            if tokens.take(","):
                raise DataError(f"Unable to parse a map entry with no key or value: {tokens.text}")
            key = self.parse(embedded=True)
            if key is None or key.value is None:
                raise DataError(f"Map entry may not have a null key: {tokens.text}")
            if not tokens.take(":"):
                raise DataError(f"Map entry is missing ':' at {tokens.position} in {tokens.text}")
            value = self.parse(embedded=True)
            try:
                entries[key.value] = value.value if value else None
            except TypeError as error:
                raise DataError(f"A map cannot have {key.value!r} as a key") from error
            tokens.take(",")
            keys.merge(key)
            values.merge(value)
        raise DataError(f"Map is missing terminating '}}': {tokens.text}")

    def _temporal_of_several(self, token: str) -> SchemaAndValue | None:
        # An unescaped colon ends a token, so a time may lie in five of them.
        start = self._tokens.mark()
        rest = self._tokens.next_several(4)
        if rest is not None:
            found = _temporal(token + rest)
            if found is not None:
                return found
        self._tokens.rewind(start)
        return _temporal(token)


def _mapped(entries: dict[Any, Any], keys: Schema | None, values: Schema | None) -> SchemaAndValue:
    if keys is None:
        values = None
    schema = SchemaBuilder.of_parts(Type.MAP, keys, values).build()
    aligned = {
        key if keys is None else _align(keys, key): each if values is None else _align(values, each)
        for key, each in entries.items()
    }
    return SchemaAndValue(schema, aligned)


def _temporal(text: str) -> SchemaAndValue | None:
    text = text.replace("\\:", ":")
    if len(text) not in _TEMPORAL:
        return None
    schema, form = _TEMPORAL[len(text)]
    try:
        millis = form.parse(text)
    except ValueError:
        return None
    return SchemaAndValue(schema, moment_for(schema, millis))


def moment_for(schema: Schema, millis: int) -> Any:
    """Return a time as the class that stands for the schema's name, where it fits in it."""
    if schema.name == DATE_NAME and millis % logical.MILLIS_A_DAY == 0:
        return logical.datetime_of(millis).date()
    if schema.name == TIME_NAME and 0 <= millis < logical.MILLIS_A_DAY:
        return logical.datetime_of(millis).time()
    return logical.datetime_of(millis)


def _number(number: Decimal) -> SchemaAndValue:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    size = abs(number)
    if size == 0 or (1 <= size <= Decimal("1e19") and int(number) == number):
        whole = int(number)
        for kind, bits in BITS.items():
            if -(1 << bits - 1) <= whole < 1 << bits - 1:
                return SchemaAndValue(_WHOLE.get(kind, INT64_SCHEMA), whole)
    if exponent != 0:
        wide = float(number)
        single = to_single(wide)
        if not math.isinf(single):
            return SchemaAndValue(FLOAT32_SCHEMA, single)
        if not math.isinf(wide):
            return SchemaAndValue(FLOAT64_SCHEMA, wide)
    return SchemaAndValue(logical.decimal_schema(-exponent), number)


class _Common:
    """The schema that all values seen so far have in common; None where there is none."""

    def __init__(self) -> None:
        self.schema: Schema | None = None
        self._compatible = True

    def merge(self, latest: SchemaAndValue | None) -> None:
        if latest is None or latest.schema is None or not self._compatible:
            return
        if self.schema is None:
            self.schema = latest.schema
        else:
            self.schema = _merged(self.schema, latest.schema)
            self._compatible = self.schema is not None


def _merged(before: Schema, new: Schema) -> Schema | None:
    if before.type is not new.type:
        if before.type not in _WIDENING or new.type not in _WIDENING:
            return None
        return max(before, new, key=lambda schema: _WIDENING.index(schema.type))
    if before.is_optional == new.is_optional:
        return before if before.is_optional else new
    return before if before == new else None


def _align(schema: Schema, value: Any) -> Any:
    from aliran.connectors.data.values import convert_to  # which reads texts with this module

    return convert_to(schema, None, value)
