"""How many bytes a model's nodes and constants take in the file: the arithmetic of the protobuf wire format.

Fields are a tag of one byte and a value; a string or message has its length before it, an integer is a varint
(7 bits per byte, https://protobuf.dev/programming-guides/encoding). Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

MICROSOFT_DOMAIN_BYTES = 15  # "com.microsoft" as a field


def varint(number: int) -> int:
    """Bytes of a number that is not negative."""
    return 1 if number < 128 else -(-number.bit_length() // 7)


def field(length: int) -> int:
    """Bytes of a string, of raw data or of a message, of `length` bytes."""
    return length + 2 if length < 128 else 1 + varint(length) + length


def integer_attribute(name: str, value: int = 1) -> int:
    """Bytes of an attribute that is one number; its type is a field with a tag of two bytes."""
    return field(field(len(name)) + 1 + varint(value) + 3)


def list_attribute(name: str, count: int) -> int:
    """Bytes of an attribute that lists small numbers."""
    return field(field(len(name)) + 2 * count + 3)


@cache
def tensor_bytes(shape: tuple[int, ...], payload: int, name: int) -> int:
    """Bytes of an initializer with `payload` bytes of values and a name of `name` letters."""
    dims = sum(1 + varint(size) for size in shape)
    return field(dims + 2 + field(name) + field(payload))


@cache
def node_bytes(op: str, inputs: tuple[int, ...], outputs: tuple[int, ...], name: int = 0, attributes: int = 0) -> int:
    """Bytes of a node whose inputs, outputs and name have so many letters; without a name it has no such field."""
    strings = sum(map(field, inputs)) + sum(map(field, outputs)) + (field(name) if name else 0)
    return field(strings + field(len(op)) + attributes)


CAST = integer_attribute("to")
AXIS = integer_attribute("axis")


@dataclass
class Tally:
    """Counts what an `engine.conversion.emission.Emitter` with a prefix of so many letters would write.

    Values are known by how many letters their names have.
    """

    prefix: int
    total: int = 0

    def add(self, count: int) -> None:
        """Bytes of something else, such as of a name in a node of the source."""
        self.total += count

    def constant(self, tag: str, shape: tuple[int, ...], payload: int) -> int:
        """A new initializer."""
        name = self.prefix + len(tag)
        self.total += tensor_bytes(shape, payload, name)
        return name

    def folded(self, op: str, inputs: tuple[int, ...], tag: str, attributes: int = 0) -> int:
        """A node that is computed at load, and has no name."""
        name = self.prefix + len(tag)
        self.total += node_bytes(op, inputs, (name,), 0, attributes)
        return name

    def node(self, op: str, inputs: tuple[int, ...], tag: str, attributes: int = 0) -> int:
        """A node named after its tag, as its output is."""
        name = self.prefix + len(tag)
        self.total += node_bytes(op, inputs, (name,), name, attributes)
        return name
