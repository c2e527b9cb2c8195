"""Writes the source of `decode(buf, p, end)`: one message, one version, straight down.

Fields of fixed size, and the length that follows them, are read by one `struct` call. Slices are
not checked one by one: a string that is cut off moves the position beyond the end, where the next
read fails, and the last position is compared with the end.
"""

from __future__ import annotations

from types import ModuleType

from aliran.protocol.schema.model import FIXED_FORMATS, Api, Field, Struct
from aliran.protocol.source import INT_CODES, Source, default_source


class DecoderSource(Source):
    """The decoder of one message; `p` is the position and `buf` the frame in the code it writes."""

    def __init__(self, api: Api, version: int, classes: ModuleType) -> None:
        super().__init__(api, version, classes)
        self._codes = ""
        self._targets: list[str] = []
        self._afterwards: list[str] = []

    def write(self, message: Struct) -> str:
        """Return the source of the whole function."""
        self._depth = 2
        self.line(f"o = new({self.class_name(message)})")
        self.struct(message, "o")
        self.flush()
        with self.block("if p > end:"):
            self.line("raise IndexError")
        self.line("return o, p")
        self._depth = 1
        with self.block("except ERRORS as error:"):
            self.line(f"raise malformed({message.name!r}, {self.version}, p, error) from None")
        return self.text("def decode(buf, p, end):\n    try:")

    def take(self, code: str, target: str, afterwards: str = "") -> None:
        """Read a value of fixed size into `target`, together with its neighbours."""
        self._codes += code
        self._targets.append(target)
        if afterwards:
            self._afterwards.append(afterwards)

    def flush(self) -> None:
        """Write the read of the values collected so far."""
        if not self._targets:
            return
        if self._codes == "B":
            self.line(f"{self._targets[0]} = buf[p]")
            self.line("p += 1")
        else:
            read = self.packing(self._codes, "unpack_from")
            self.line(
                f"{', '.join(self._targets)}{',' * (len(self._targets) == 1)} = {read}(buf, p)"
            )
            self.line(f"p += {self.namespace[read].__self__.size}")
        for line in self._afterwards:
            self.line(line)
        self._codes, self._targets, self._afterwards = "", [], []

    def struct(self, struct: Struct, var: str) -> None:
        """Read a struct's fields into the object that `var` names."""
        present = self.fields(struct)
        for field in struct.fields:
            if field not in present:
                self.line(f"{var}.{field.name} = {default_source(self, field)}")
        for field in present:
            self.field(field, f"{var}.{field.name}")
        if self.flexible:
            self._tagged_section(struct, var)

    def field(self, field: Field, target: str) -> None:
        """Read one field into `target`."""
        if field.is_array:
            self._array(field, target)
        elif field.struct is not None:
            self._struct_field(field, field.struct, target)
        elif field.type == "uuid":
            raw = self.name("u")
            self.take("16s", raw, f"{target} = uuid_of({raw})")
        elif field.type in FIXED_FORMATS:
            self.take(FIXED_FORMATS[field.type], target)
        else:
            self._variable(field, target)

    def _length(self, code: str) -> str:
        """Read a length, -1 for null; `code` is its `struct` code where it is not compact."""
        length = self.name("n")
        self.take("B" if self.flexible else code, length)
        self.flush()
        if self.flexible:
            with self.block(f"if {length} > 127:"):
                self.line(f"{length}, p = read_uvarint(buf, p - 1)")
            self.line(f"{length} -= 1")
        return length

    def _refuse(self, field: Field, length: str) -> None:
        self.line(f'raise ProtocolError(f"the length {{{length}}} of {field.name} cannot be true")')

    def _variable(self, field: Field, target: str) -> None:
        length = self._length("h" if field.type == "string" else "i")
        with self.block(f"if {length} < 0:"):
            if self.is_nullable(field):
                self.line(f"{target} = None")
            else:
                self._refuse(field, length)
        with self.block("else:"):
            self.line(f"q = p + {length}")
            value = {
                "string": 'str(buf[p:q], "utf-8")',
                "bytes": "bytes(buf[p:q])",
                "records": "memoryview(buf)[p:q]",
            }[field.type]
            self.line(f"{target} = {value}")
            self.line("p = q")

    def _struct_field(self, field: Field, struct: Struct, target: str) -> None:
        var = self.name("o")
        if not self.is_nullable(field):
            self.line(f"{target} = {var} = new({self.class_name(struct)})")
            self.struct(struct, var)
            return
        present = self.name("n")
        self.take("b", present)
        self.flush()
        with self.block(f"if {present} < 0:"):
            self.line(f"{target} = None")
        with self.block("else:"):
            self.line(f"{target} = {var} = new({self.class_name(struct)})")
            self.struct(struct, var)
            self.flush()

    def _array(self, field: Field, target: str) -> None:
        count = self._length("i")
        if self.is_nullable(field):
            with self.block(f"if {count} < 0:"):
                self.line(f"{target} = None")
            with self.block("else:"):
                self._elements(field, target, count)
        else:
            self._elements(field, target, count)

    def _elements(self, field: Field, target: str, count: str) -> None:
        size = self.minimum_size(field)
        with self.block(f"if not 0 <= {count}{f' * {size}' if size > 1 else ''} <= end - p:"):
            self._refuse(field, count)
        if field.type in INT_CODES:
            self.line(f"{target} = list(READ_{INT_CODES[field.type]}[{count}](buf, p))")
            self.line(f"p += {count}{f' * {size}' if size > 1 else ''}")
            return
        items = self.name("a")
        self.line(f"{target} = {items} = []")
        with self.block(f"for _ in range({count}):"):
            var = self.name("o")
            if field.struct is not None:
                self.line(f"{var} = new({self.class_name(field.struct)})")
                self.struct(field.struct, var)
            else:
                self._variable(field, var)
            self.flush()
            self.line(f"{items}.append({var})")

    def _tagged_section(self, struct: Struct, var: str) -> None:
        """Read the tagged fields known here and skip all others (KIP-482)."""
        count = self.name("n")
        self.take("B", count)
        self.flush()
        tagged = self.tagged_fields(struct)
        with self.block(f"if {count}:"):
            if not tagged:
                self.line("p = skip_tags(buf, p - 1, end)")
                return
            tag, size, stop = self.name("t"), self.name("n"), self.name("q")
            self.line(f"{count}, p = read_uvarint(buf, p - 1)")
            with self.block(f"for _ in range({count}):"):
                self.line(f"{tag}, p = read_uvarint(buf, p)")
                self.line(f"{size}, p = read_uvarint(buf, p)")
                self.line(f"{stop} = p + {size}")
                with self.block(f"if {stop} > end:"):
                    self.line("raise IndexError")
                for number, field in enumerate(tagged):
                    with self.block(f"{'elif' if number else 'if'} {tag} == {field.tag}:"):
                        self.field(field, f"{var}.{field.name}")
                        self.flush()
                with self.block("else:"):
                    self.line(f"p = {stop}")
                with self.block(f"if p != {stop}:"):
                    self.line(
                        f'raise ProtocolError(f"the tagged field {{{tag}}} of {struct.name} '
                        'is not as long as it says")'
                    )
