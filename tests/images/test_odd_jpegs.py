"""JPEGs with odd bytes between their segments: used as libjpeg-turbo uses them, remarked, and within the limits."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.counts import count
from tests.images.bad_images import Case, grain, jpeg_of, jpeg_segments, many_scans, saved, with_segment
from tests.images.verdicts import assert_verdicts, outcome, refusal, used
from vidi.errors import ImageError
from vidi.images.decode import read_header
from vidi.images.formats.jpeg import MOST_SEGMENTS
from vidi.images.limits import DecodeOptions, Limits

simplejpeg = pytest.importorskip("simplejpeg", reason="needs:simplejpeg")

KINDS = (
    saved(grain(), "JPEG", {"comment": b"by hand", "dpi": (72, 72)}),
    saved(grain(), "JPEG", {"progressive": True, "comment": b"by hand"}),
    saved(grain()[:, :, 0], "JPEG"),
)
BASE = KINDS[0]
SMALL = Limits(pixels=100_000, baseline_jpeg_pixels=100_000)
STRAYS = (b"\0", b"\xff\0", b"\xff\xff\0", b"hello", b"\xff\x01", b"\xff\xd3", b"\xff\0\0\xff\0")


def boundaries(data: bytes) -> list[int]:
    """Where each segment of a JPEG starts, the end mark included."""
    places, here = [], 2
    for _, content in jpeg_segments(data):
        places.append(here)
        here += 4 + len(content)
    return [*places, len(data) - 2]


def with_strays(data: bytes, strays: dict[int, bytes]) -> bytes:
    """A JPEG with bytes in front of some of its segments, by the number of the segment."""
    for number, place in reversed([*enumerate(boundaries(data))]):
        data = data[:place] + strays.get(number, b"") + data[place:]
    return data


def lying(length: int, content: bytes = b"A" * 20) -> bytes:
    """An APP1 segment whose stated length is not that of its content."""
    return b"\xff\xe1" + struct.pack(">H", length) + content


def shown_by_both(data: bytes, *, is_cut: bool) -> Image.Image | None:
    """The image, where Pillow opens it and libjpeg-turbo complains of nothing, or of bytes between segments.

    Of several complaints it tells the last: of a file that lost a byte, which may have damaged more, none is let pass.
    """
    try:
        image = Image.open(io.BytesIO(data))
        if image.width * image.height > SMALL.pixels:  # what was lost is a byte of its size
            return None
        image.load()
        simplejpeg.decode_jpeg(data)
    except ValueError as error:
        return image if "extraneous bytes before marker" in str(error) and not is_cut else None
    except (OSError, SyntaxError, struct.error, Image.DecompressionBombWarning):
        return None
    return image


def test_bytes_between_segments_are_skipped_and_remarked():
    whole = used(BASE).image
    for stray in STRAYS:
        for number in (1, 3, len(boundaries(BASE)) - 2):
            found = used(with_strays(BASE, {number: stray}))
            assert np.array_equal(found.image, whole), (stray, number)
            assert found.notes == ("stray-bytes",), (stray, number)


def test_a_segment_whose_length_is_off_is_left_where_the_next_marker_stands():
    cases = [
        Case(f"length {length}", BASE[:2] + lying(length) + BASE[2:], notes=("stray-bytes",))
        for length in (0, 1, 2, 10, 21, 24)
    ]
    assert_verdicts(cases)


def test_fill_bytes_before_a_marker_are_as_they_should_be():
    assert used(with_strays(BASE, {2: b"\xff\xff\xff"})).notes == ()


def test_odd_bytes_are_no_damage():
    assert used(with_strays(BASE, {2: b"\xff\0"})).notes == ("stray-bytes",)


def test_what_libjpeg_turbo_refuses_stays_refused():
    second_start = with_strays(BASE, {2: b"\xff\xd8"})
    table = BASE.index(b"\xff\xdb") + 2
    cases = [Case("second start", second_start, ("broken",))]
    for length in (0, 1, 66, 68):
        cases.append(
            Case(f"table of {length}", BASE[:table] + struct.pack(">H", length) + BASE[table + 2 :], ("broken",))
        )
    assert_verdicts(cases)


def test_odd_bytes_hide_neither_scans_nor_pixels_from_the_limits():
    few = Limits(pixels=40 * 56 - 1, baseline_jpeg_pixels=40 * 56 - 1)
    for stray in STRAYS:
        assert refusal(with_strays(BASE, {1: stray}), DecodeOptions(limits=few)).code == "too-many-pixels"
        assert refusal(stray_before_every_scan(many_scans(100), stray)).code == "too-many-scans"
        assert read_header(stray_before_every_scan(many_scans(99), stray)).scans == 100


def stray_before_every_scan(data: bytes, stray: bytes) -> bytes:
    scans = [number for number, (marker, _) in enumerate(jpeg_segments(data)) if marker == 0xDA]
    return with_strays(data, dict.fromkeys(scans[:1], stray))


def test_a_jpeg_of_nothing_but_segments_or_marks_costs_little():
    empty = [(0xFE, b"")] * (MOST_SEGMENTS + 1)
    assert refusal(jpeg_of([*empty, *jpeg_segments(BASE)])).code == "metadata-too-large"
    for mark in (b"\xff\x01", b"\xff\0", b"\xff\xd0", b"\xff"):
        assert used(BASE[:2] + mark * 2_000_000 + BASE[2:]).size == (40, 56)  # looked through at once, not one by one


def test_a_comment_of_any_kind_is_no_oddity():
    assert used(with_segment(BASE, 0xFE, b"\xff\0\xff\xd8 stray")).notes == ()


@settings(max_examples=count(small=150, check=30), deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    strays=st.dictionaries(
        st.integers(0, 12),
        st.one_of(
            st.sampled_from(STRAYS),
            st.binary(max_size=6),
            st.builds(lying, st.integers(0, 40), st.binary(max_size=24)),
        ),
        max_size=4,
    ),
    cut=st.one_of(st.none(), st.integers(2, 600)),
)
def test_no_jpeg_that_pillow_and_libjpeg_turbo_show_is_refused(kind, strays, cut):
    data = with_strays(kind, strays)
    data = data if cut is None else data[:cut] + data[cut + 1 :]  # one byte is lost
    shown, found = shown_by_both(data, is_cut=cut is not None), outcome(data, DecodeOptions(limits=SMALL))
    if shown is None:
        return  # used, or refused for a reason: both are right
    assert not isinstance(found, ImageError), found
    assert np.array_equal(found.image, np.asarray(shown.convert("RGB")))
    assert read_header(data).stored_size == shown.size[::-1]
