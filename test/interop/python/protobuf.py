"""Protocol Buffers' encoding, as much of it as Fairlead's messages need: varints, and what has a length."""

from __future__ import annotations

from typing import Union

Value = Union[int, bytes]


class Malformed(Exception):
    """Bytes that are no message."""


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, value: int | bytes | str | None) -> bytes:
    """One field; nothing for a value that need not be said (zero, empty, None)."""
    if not value:
        return b""
    return present(number, value)


def present(number: int, value: int | bytes | str) -> bytes:
    """One field that is written even if it is zero or empty, as members of a oneof are."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def take_varint(data: bytes | bytearray | memoryview, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where the next thing begins."""
    number = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("a varint that does not end")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7


class Message:
    """What a message says, by field number. What is not there reads as zero or empty; of what came twice the last counts."""

    def __init__(self, data: bytes):
        self.fields: dict[int, list[Value]] = {}
        at = 0
        while at < len(data):
            tag, at = take_varint(data, at)
            number, kind = tag >> 3, tag & 7
            value: Value
            if number == 0:
                raise Malformed("a field without a number")
            if kind == 0:
                value, at = take_varint(data, at)
            elif kind in (1, 2, 5):
                length = {1: 8, 5: 4}.get(kind, 0)
                if kind == 2:
                    length, at = take_varint(data, at)
                if at + length > len(data):
                    raise Malformed("a field that is longer than its message")
                value = bytes(data[at : at + length])
                at += length
            else:
                raise Malformed(f"a field of wire type {kind}")
            self.fields.setdefault(number, []).append(value)

    def has(self, number: int) -> bool:
        return number in self.fields

    def int(self, number: int) -> int:
        value = self.fields.get(number, [0])[-1]
        if not isinstance(value, int):
            raise Malformed(f"field {number} is no number")
        return value

    def bytes(self, number: int) -> bytes:
        return self.all_bytes(number)[-1] if self.has(number) else b""

    def text(self, number: int) -> str:
        return self.bytes(number).decode()

    def message(self, number: int) -> Message:
        """A message that came in several pieces is what they say together."""
        return Message(b"".join(self.all_bytes(number)))

    def all_bytes(self, number: int) -> list[bytes]:
        values = self.fields.get(number, [])
        found = [value for value in values if isinstance(value, bytes)]
        if len(found) != len(values):
            raise Malformed(f"field {number} is a number")
        return found
