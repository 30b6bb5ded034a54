"""TIFF: its first directory, and a copy of the file that holds that page alone."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from vidi.errors import ImageError
from vidi.images.formats.header import Header, HeaderPart, broken, truncated, unsupported, valid_orientation
from vidi.images.limits import Limits

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
# Width to predictor: everything that decides the pixels and nothing else.
_PIXEL_TAGS = {256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 321, 322, 323, 324, 325}
_PIXEL_TAGS |= {332, 338, 339, 347, 529, 530, 531, 532}
_ORIENTATION, _PROFILE = 274, 34675
_COMPRESSIONS = {1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 50000, 50001}
_MOST_ENTRIES = 4096
_MOST_VALUES = 1_000_000


@dataclass(frozen=True, slots=True)
class Tag:
    """One entry of a directory, its values still in the file."""

    kind: int
    count: int
    start: int  # where the values stand
    end: int


def read_tiff(data: bytes, limits: Limits) -> Header:
    """The header of a TIFF's first page.

    Raises:
        ImageError: `truncated`, `broken`, `no-pixels`, `too-many-pixels` or `unsupported-format`.
    """
    layout = _TiffLayout(data)
    tags, following = layout.directory()
    one = layout.first_value
    width, height = one(tags, 256), one(tags, 257)
    if width is None or height is None:
        raise unsupported("This TIFF states no size; it may be a camera raw file.", "Export it as PNG or JPEG.")
    if height == 0 or width == 0:
        raise ImageError("no-pixels", f"The TIFF is {width} x {height} pixels.", "Leave the file out.")
    channels = one(tags, 277) or 1
    if channels > 8:
        raise broken(f"The TIFF states {channels:,} samples for each pixel.")
    if (compression := one(tags, 259) or 1) not in _COMPRESSIONS:
        raise broken(f"The TIFF is compressed in a way ({compression}) that does not exist here.")
    bits = one(tags, 258) or 1
    if width * height <= limits.pixels:
        _check_strips(layout, tags)
    orientation = valid_orientation(one(tags, _ORIENTATION) or 1)
    profile_tag = tags.get(_PROFILE)
    parts = [HeaderPart(kind=b"profile", start=0, body=profile_tag.start, end=profile_tag.end)] if profile_tag else []
    return Header(
        format="TIFF",
        stored_size=(height, width),
        orientation=orientation,
        exif=(0, len(data)),
        notes=("first-frame",) if following else (),
        parts=tuple(parts),
        end=len(data),
        channels=channels,
        sample_bits=bits,
    )


def _check_strips(layout: "_TiffLayout", tags: Mapping[int, Tag]) -> None:
    """Every strip or tile must lie within the file."""
    offsets = layout.values(tags, 273) or layout.values(tags, 324)
    counts = layout.values(tags, 279) or layout.values(tags, 325)
    if not offsets:
        raise broken("The TIFF does not say where its pixels stand.")
    if counts and len(counts) != len(offsets):
        raise broken(f"The TIFF states {len(offsets):,} strips and {len(counts):,} lengths for them.")
    ends = [offset + count for offset, count in zip(offsets, counts or [1] * len(offsets), strict=True)]
    if max(ends) > len(layout.data):
        raise truncated(f"The TIFF has {len(layout.data):,} bytes; its pixels would end at byte {max(ends):,}.")


class _TiffLayout:
    """The byte order and widths of one TIFF file, classic or big."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = "<" if data.startswith(b"II") else ">"
        self.is_big = data[2:4] in (b"+\0", b"\0+")
        self.number = self.order + ("Q" if self.is_big else "I")
        self.inline = 8 if self.is_big else 4

    def _unpack(self, form: str, position: int) -> int:
        if position + struct.calcsize(form) > len(self.data):
            raise truncated(f"The TIFF has {len(self.data):,} bytes; its directory points to byte {position:,}.")
        value: int = struct.unpack_from(form, self.data, position)[0]
        return value

    def directory(self) -> tuple[dict[int, Tag], int]:
        """The tags of the first directory and where the next one stands (0: none)."""
        position = self._unpack(self.number, 8 if self.is_big else 4)
        if position == 0:
            raise broken("The TIFF holds no page.")
        count_form = self.order + ("Q" if self.is_big else "H")
        count = self._unpack(count_form, position)
        position += struct.calcsize(count_form)
        step = 12 + 2 * (self.inline - 4)
        if count > _MOST_ENTRIES:
            raise broken(f"The TIFF's directory states {count:,} entries.")
        if position + step * count > len(self.data):
            raise truncated(f"The TIFF ends after {len(self.data):,} bytes, within its directory.")
        tags: dict[int, Tag] = {}
        for number in range(count):
            name, tag = self._tag(position + number * step)
            tags.setdefault(name, tag)
        end = position + step * count
        has_next = end + self.inline <= len(self.data)
        return tags, self._unpack(self.number, end) if has_next else 0

    def _tag(self, position: int) -> tuple[int, Tag]:
        name, kind = struct.unpack_from(self.order + "HH", self.data, position)
        count = self._unpack(self.number, position + 4)
        length = _TYPE_BYTES.get(kind, 0) * count
        start = position + 4 + self.inline
        if length > self.inline:
            start = self._unpack(self.number, start)
        if name in _PIXEL_TAGS and (kind not in _TYPE_BYTES or count == 0 or start + length > len(self.data)):
            raise broken(f"The TIFF's field {name} has type {kind} and {count:,} values, which cannot be.")
        return name, Tag(kind, count, start, start + length)

    def values(self, tags: Mapping[int, Tag], name: int) -> list[int]:
        """The whole numbers of a tag; empty where it is missing."""
        tag = tags.get(name)
        if tag is None:
            return []
        if tag.kind not in _INTEGERS or tag.count > _MOST_VALUES:
            raise broken(f"The TIFF's field {name} has type {tag.kind} and {tag.count:,} values, which cannot be.")
        return list(struct.unpack_from(f"{self.order}{tag.count}{_INTEGERS[tag.kind]}", self.data, tag.start))

    def first_value(self, tags: Mapping[int, Tag], name: int) -> int | None:
        values = self.values(tags, name)
        return values[0] if values else None


def only_pixels(data: bytes, _header: Header) -> bytes:
    """The file with a new first directory at its end: the tags that decide the pixels, and no further page."""
    layout = _TiffLayout(data)
    tags, _ = layout.directory()
    kept = {name: tag for name, tag in tags.items() if name in _PIXEL_TAGS and name != _ORIENTATION}
    place = len(data) + (len(data) & 1)
    entries = b"".join(_entry(layout, name, tag) for name, tag in sorted(kept.items()))
    count = struct.pack(layout.order + ("Q" if layout.is_big else "H"), len(kept))
    directory = count + entries + bytes(layout.inline)
    start = 8 if layout.is_big else 4
    head = data[:start] + struct.pack(layout.number, place)
    return b"".join([head, data[len(head) :], b"\0" * (len(data) & 1), directory])


def _entry(layout: _TiffLayout, name: int, tag: Tag) -> bytes:
    head = struct.pack(layout.order + "HH", name, tag.kind) + struct.pack(layout.number, tag.count)
    if tag.end - tag.start <= layout.inline:
        return head + layout.data[tag.start : tag.end].ljust(layout.inline, b"\0")
    return head + struct.pack(layout.number, tag.start)


def profile(data: bytes, header: Header, limits: Limits) -> bytes | None:
    """The colour profile; None where there is none, empty where it is damaged or over the limit."""
    if not header.parts:
        return None
    part = header.parts[0]
    is_sound = part.end <= len(data) and part.end - part.body <= limits.metadata_bytes
    return data[part.body : part.end] if is_sound else b""
