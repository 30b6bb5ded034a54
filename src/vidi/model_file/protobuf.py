"""The protobuf wire format, read without a library: fields of one message, nothing more.

Stricter than protobuf itself: groups, over-long numbers and fields that run past the message are refused.
Source: Protocol Buffers documentation, "Encoding".
"""

from collections.abc import Iterator
from typing import BinaryIO

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAXIMUM_FIELDS = 100_000  # in one message; a file of nothing but tiny fields must not hold a core for minutes


class WireError(ValueError):
    """Bytes that are no protobuf message."""


def read_varint(data: memoryview, position: int) -> tuple[int, int]:
    """One number and the position after it.

    >>> read_varint(memoryview(bytes([0xAC, 0x02])), 0)
    (300, 2)
    """
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, position
        shift += 7
        if shift > 63:
            break
    raise WireError("a number is cut or longer than 64 bits")


def fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Every field of a message: its number, its wire type, and its value.

    A number for VARINT, FIXED32 and FIXED64; a view of the bytes for BYTES. Nothing is copied.

    Raises:
        WireError: the bytes are no message.

    >>> [(number, bytes(value)) for number, _, value in fields(memoryview(b"\\x0a\\x02hi"))]
    [(1, b'hi')]
    """
    position = count = 0
    while position < len(message):
        count = _counted(count)
        key, position = read_varint(message, position)
        number, kind = key >> 3, key & 7
        if number == 0 or number >= 1 << 29:
            raise WireError(f"a field has the number {number}")
        if kind == VARINT:
            value, position = read_varint(message, position)
            yield number, kind, value
            continue
        if kind == BYTES:
            length, position = read_varint(message, position)
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
        else:
            raise WireError(f"field {number} has the wire type {kind}")
        if length > len(message) - position:
            raise WireError(f"field {number} claims {length:,} bytes, {len(message) - position:,} are there")
        piece = message[position : position + length]
        yield number, kind, piece if kind == BYTES else int.from_bytes(piece, "little")
        position += length


def signed(value: int) -> int:
    """A 64-bit varint as the signed number it stands for (int32 and int64 fields).

    >>> signed(2**64 - 1)
    -1
    """
    return value - (1 << 64) if value >> 63 else value


def packed_numbers(data: memoryview) -> Iterator[int]:
    """The numbers of a packed repeated field."""
    position = count = 0
    while position < len(data):
        count = _counted(count)
        value, position = read_varint(data, position)
        yield signed(value)


def _counted(count: int) -> int:
    if count >= MAXIMUM_FIELDS:
        raise WireError(f"a message has more than {MAXIMUM_FIELDS:,} fields")
    return count + 1


def outline(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The number, start and end of each field between two places of a file; what is in them is not read.

    Raises:
        WireError: the bytes are no message.
    """
    position, count = start, 0
    while position < end:
        count = _counted(count)
        stream.seek(position)
        head = memoryview(stream.read(min(20, end - position)))  # a key and a length take at most ten bytes each
        key, used = read_varint(head, 0)
        kind = key & 7
        if kind == BYTES:
            length, used = read_varint(head, used)
        elif kind == VARINT:
            length, used = 0, read_varint(head, used)[1]
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
        else:
            raise WireError(f"field {key >> 3} has the wire type {kind}")
        if length > end - position - used:
            raise WireError(f"field {key >> 3} claims {length:,} bytes, {end - position - used:,} are there")
        yield key >> 3, position + used, position + used + length
        position += used + length
