"""Writes the source of `encode(o, head)`: one message, one version, straight down.

The function returns the chunks to send, `head` first. Values of fixed size, and the length that
follows them, are packed by one `struct` call; record sets of some size are chunks of their own, so
that their bytes are never copied.
"""

from __future__ import annotations

from types import ModuleType

from aliran.protocol.schema.model import FIXED_FORMATS, Api, Field, Struct
from aliran.protocol.source import INT_CODES, Source, default_source

COPY_LIMIT = 2048
"""Record sets of up to this many bytes are copied: one more chunk would cost more than that."""


class EncoderSource(Source):
    """The encoder of one message; `w` appends to the pieces in the code it writes."""

    def __init__(self, api: Api, version: int, classes: ModuleType) -> None:
        super().__init__(api, version, classes)
        self._codes = ""
        self._values: list[str] = []
        self._write = "w"
        self._has_records = False

    def write(self, message: Struct) -> str:
        """Return the source of the whole function."""
        self._depth = 2
        with self.block(f"if type(o) is not {self.class_name(message)}:"):
            self.line("raise TypeError")
        self.line("parts = [head]")
        self.line("w = parts.append")
        self.line("chunks = []")
        self.struct(message, "o")
        self.flush()
        with self.block("if parts:"):
            self.line("chunks.append(b''.join(parts))")
        self.line("return chunks")
        self._depth = 1
        with self.block("except ERRORS as error:"):
            self.line("raise unwritable(o, error) from error")
        return self.text("def encode(o, head):\n    try:")

    def put(self, code: str, value: str = "") -> None:
        """Write a value of fixed size, together with its neighbours; `x` is a zero byte."""
        self._codes += code
        if value:
            self._values.append(value)

    def flush(self) -> None:
        """Write the packing of the values collected so far."""
        if self._codes == "x":
            self.line(f"{self._write}(V[0])")
        elif self._codes:
            self.line(f"{self._write}({self._packed('')})")
        self._codes, self._values = "", []

    def _packed(self, length: str) -> str:
        """Return the expression that packs the collected values, and a one-byte length if given."""
        pack = self.packing(self._codes + ("B" if length else ""), "pack")
        return f"{pack}({', '.join([*self._values, length] if length else self._values)})"

    def _compact_length(self, length: str) -> None:
        """Write a varint; it is nearly always one byte, which then joins the values before it."""
        if self._codes:
            short, long = self._packed(length), f"{self._packed('')} + uvarint({length})"
        else:
            short, long = f"V[{length}]", f"uvarint({length})"
        self.line(f"{self._write}({short} if {length} < 128 else {long})")
        self._codes, self._values = "", []

    def struct(self, struct: Struct, var: str) -> None:
        """Write the fields of the object that `var` names."""
        for field in self.fields(struct):
            self.field(field, f"{var}.{field.name}")
        if self.flexible:
            self._tagged_section(struct, var)

    def field(self, field: Field, value: str) -> None:
        """Write one field, whose value is the expression `value`."""
        if field.is_array:
            self._array(field, value)
        elif field.struct is not None:
            self._struct_field(field, field.struct, value)
        elif field.type == "uuid":
            self.put("16s", f"{value}.bytes")
        elif field.type in FIXED_FORMATS:
            self.put(FIXED_FORMATS[field.type], value)
        else:
            self._variable(field, value)

    def _variable(self, field: Field, value: str) -> None:
        data, length = self.name("s"), self.name("n")
        one_more = " + 1" if self.flexible else ""
        encode = ".encode()" if field.type == "string" else ""
        if self.is_nullable(field):
            self.line(f"{data} = {value}")
            with self.block(f"if {data} is None:"):
                self.line(f"{length} = {0 if self.flexible else -1}")
                self.line(f"{data} = b''")
            with self.block("else:"):
                if encode:
                    self.line(f"{data} = {data}{encode}")
                self.line(f"{length} = len({data}){one_more}")
        else:
            self.line(f"{data} = {value}{encode}")
            self.line(f"{length} = len({data}){one_more}")
        if self.flexible:
            self._compact_length(length)
        else:
            self.put("h" if field.type == "string" else "i", length)
            self.flush()
        if field.type == "records":
            with self.block(f"if {length} > {COPY_LIMIT}:"):
                self.line("chunks.append(b''.join(parts))")
                self.line("parts.clear()")
                self.line(f"chunks.append({data})")
            with self.block("else:"):
                self.line(f"{self._write}({data})")
        else:
            self.line(f"{self._write}({data})")

    def _struct_field(self, field: Field, struct: Struct, value: str) -> None:
        var = self.name("o")
        self.line(f"{var} = {value}")
        if not self.is_nullable(field):
            self.struct(struct, var)
            return
        self.flush()
        with self.block(f"if {var} is None:"):
            self.line(f"{self._write}(b'\\xff')")
        with self.block("else:"):
            self.put("b", "1")
            self.struct(struct, var)
            self.flush()

    def _array(self, field: Field, value: str) -> None:
        items, count = self.name("a"), self.name("n")
        self.line(f"{items} = {value}")
        if not self.is_nullable(field):
            self._elements(field, items, count)
            return
        self.flush()
        with self.block(f"if {items} is None:"):
            null = "V[0]" if self.flexible else repr(b"\xff" * 4)
            self.line(f"{self._write}({null})")
        with self.block("else:"):
            self._elements(field, items, count)
            self.flush()

    def _elements(self, field: Field, items: str, count: str) -> None:
        one_more = " + 1" if self.flexible else ""
        if field.type in INT_CODES:
            self.flush()
            self.line(f"{count} = len({items})")
            pack = f"PACK_{INT_CODES[field.type]}[{count}]"
            self.line(f"{self._write}({pack}({count}{one_more}, *{items}))")
            return
        self.line(f"{count} = len({items}){one_more}")
        if self.flexible:
            self._compact_length(count)
        else:
            self.put("i", count)
            self.flush()
        var = self.name("o")
        with self.block(f"for {var} in {items}:"):
            if field.struct is not None:
                self.struct(field.struct, var)
            else:
                self._element_string(field, var)
            self.flush()

    def _element_string(self, field: Field, var: str) -> None:
        element = Field(f"{field.name}: {field.type}")
        self._variable(element, var)

    def _tagged_section(self, struct: Struct, var: str) -> None:
        """Write the tagged fields that differ from their defaults."""
        tagged = self.tagged_fields(struct)
        if not tagged:
            self.put("x")
            return
        self.flush()
        tags = self.name("tags")
        self.line(f"{tags} = []")
        outer = self._write
        for field in tagged:
            default = default_source(self, field)
            differs = "is not None" if default == "None" else f"!= {default}"
            with self.block(f"if {var}.{field.name} {differs}:"):
                pieces, data = self.name("parts"), self.name("s")
                self._write = f"{pieces}.append"
                self.line(f"{pieces} = []")
                self.field(field, f"{var}.{field.name}")
                self.flush()
                self.line(f"{data} = b''.join({pieces})")
                self.line(f"{tags}.append(uvarint({field.tag}) + uvarint(len({data})) + {data})")
        self._write = outer
        with self.block(f"if {tags}:"):
            self.line(f"{self._write}(uvarint(len({tags})) + b''.join({tags}))")
        with self.block("else:"):
            self.line(f"{self._write}(V[0])")
