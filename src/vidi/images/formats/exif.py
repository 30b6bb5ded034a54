"""The orientation out of an EXIF block, and nothing else: place, time and owner are never read."""

import struct

ORIENTATION = 0x0112
MOST_ENTRIES = 500  # a camera writes some dozens


def orientation_of(exif: bytes) -> int:
    """The orientation, 1 to 8, that a TIFF-shaped EXIF block states; 1 where it is damaged or says nothing.

    >>> orientation_of(b"II*\\0\\x08\\0\\0\\0\\x01\\0\\x12\\x01\\x03\\0\\x01\\0\\0\\0\\x06\\0\\0\\0")
    6
    """
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(exif[:4]))
    if order is None or len(exif) < 10:
        return 1
    (offset,) = struct.unpack_from(order + "I", exif, 4)
    if offset + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(order + "H", exif, offset)
    for number in range(min(count, MOST_ENTRIES)):
        start = offset + 2 + 12 * number
        if start + 12 > len(exif):
            return 1
        tag, kind, values = struct.unpack_from(order + "HHI", exif, start)
        if tag == ORIENTATION:
            return (
                valid_orientation(struct.unpack_from(order + "H", exif, start + 8)[0])
                if (kind, values) == (3, 1)
                else 1
            )
    return 1


def valid_orientation(value: int) -> int:
    """The value where it is one of the eight, else 1: as stored."""
    return value if 1 <= value <= 8 else 1
