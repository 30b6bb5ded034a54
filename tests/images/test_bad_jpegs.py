"""Damaged and unusual JPEG files."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from tests.images.bad_images import (
    Case,
    changed_frame,
    grain,
    jpeg_of,
    jpeg_segments,
    many_scans,
    quarters,
    saved,
    with_segment,
)
from tests.images.verdicts import assert_verdicts, refusal, used
from vidi.images import decode as decoder
from vidi.images.decode import decode_image, read_header
from vidi.images.limits import DecodeOptions

pytestmark = pytest.mark.fault

BASE = saved(grain(), "JPEG")
PROGRESSIVE = saved(grain(), "JPEG", {"progressive": True})
SHARES = (1, 5, 10, 25, 50, 75, 90, 99)


def test_a_cut_jpeg_is_refused_as_truncated():
    cut = [Case(f"cut{share}", BASE[: len(BASE) * share // 100], ("truncated", "not-an-image")) for share in SHARES]
    no_scan = Case("no scan", BASE[: BASE.index(b"\xff\xda")], ("truncated",))
    assert_verdicts([*cut, no_scan])


def test_a_missing_end_mark_alone_is_remarked():
    assert_verdicts(
        [
            Case("baseline", BASE[:-2], notes=("end-missing",)),
            Case("progressive", PROGRESSIVE[:-2], notes=("end-missing",)),
        ]
    )


def test_a_cut_jpeg_is_used_and_marked_where_that_is_asked_for():
    kept = used(BASE[: len(BASE) * 9 // 10], DecodeOptions(keep_truncated=True))
    assert kept.notes == ("truncated",)
    whole = used(BASE).image
    assert np.array_equal(kept.image[:8], whole[:8])


def test_the_verdict_is_the_same_without_the_faster_decoder(monkeypatch):
    monkeypatch.setattr(decoder, "simplejpeg", None)
    assert_verdicts(
        [Case("cut", BASE[: len(BASE) * 9 // 10], ("truncated",)), Case("no end", BASE[:-2], notes=("end-missing",))]
    )


def flipped(bits: int) -> bytes:
    random = np.random.default_rng(bits)
    data, start = bytearray(BASE), BASE.index(b"\xff\xda") + 14
    for _ in range(bits):
        data[random.integers(start, len(data) - 2)] ^= 1 << int(random.integers(8))
    return bytes(data)


def test_damaged_coded_data_has_one_verdict_and_warnings_are_shown():
    start = BASE.index(b"\xff\xda") + 14
    lost = BASE[: start + 100] + BASE[start + 300 :]
    files = [flipped(bits) for bits in range(1, 21)] + [lost, BASE[: start + 100] + bytes(200) + BASE[start + 300 :]]
    assert_verdicts([Case(str(n), data, ("broken", "truncated"), may_be_used=True) for n, data in enumerate(files)])
    assert any("decoder-warned" in notes_of(data) for data in files)


def notes_of(data: bytes) -> tuple[str, ...]:
    try:
        return decode_image(data).notes
    except decoder.ImageError:
        return ()


def test_an_error_after_a_warning_leaves_no_half_written_image():
    segments = jpeg_segments(PROGRESSIVE)
    first = next(n for n, (marker, _) in enumerate(segments) if marker == 0xDA)
    later = next(n for n, (marker, _) in enumerate(segments) if marker == 0xC4 and n > first)
    segments[first] = (0xDA, segments[first][1][:-8])  # the decoder warns of what is missing ...
    segments[later] = (0xC4, segments[later][1][:1] + b"\xff" * 16)  # ... and then cannot go on
    assert refusal(jpeg_of(segments)).code == "broken"


def test_cmyk_ycck_and_rgb_jpegs_keep_their_colours():
    plates = Image.fromarray(255 - quarters()).split()
    cmyk = saved(Image.merge("CMYK", [*plates, Image.new("L", (32, 24), 0)]), "JPEG")
    unmarked = jpeg_of([s for s in jpeg_segments(cmyk) if s[0] != 0xEE])
    mark = cmyk.index(b"Adobe") + 11
    assert_verdicts(
        [
            Case("cmyk", cmyk, shows_quarters=True),
            Case("rgb", saved(quarters(), "JPEG", {"keep_rgb": True}), shows_quarters=True),
            Case("no Adobe mark", unmarked),
            Case("said to be YCCK", cmyk[:mark] + b"\x02" + cmyk[mark + 1 :]),
        ]
    )


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_every_kind_of_jpeg_gives_the_reference_pixels(progressive, subsampling):
    for quality in (1, 30, 100):
        options = {"quality": quality, "subsampling": subsampling, "progressive": progressive}
        data = saved(grain(), "JPEG", options)
        reference = np.asarray(Image.open(io.BytesIO(data)))
        assert abs(used(data).image.astype(int) - reference).max() <= 2


def test_restart_marks_and_grey_give_the_reference_pixels():
    for data in (saved(grain(), "JPEG", {"restart_marker_blocks": 1}), saved(grain()[:, :, 0], "JPEG")):
        reference = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        assert abs(used(data).image.astype(int) - reference).max() <= 2


def test_scans_are_counted_from_the_markers_and_limited():
    assert read_header(many_scans(99)).scans == 100
    assert used(many_scans(99)).size == (64, 64)
    for count in (100, 1000, 5000):
        assert refusal(many_scans(count)).code == "too-many-scans"


def test_a_kind_that_is_not_read_is_named():
    names = {0xC3: "lossless", 0xC5: "hierarchical", 0xC7: "hierarchical", 0xCB: "arithmetic", 0xCF: "arithmetic"}
    for marker, name in names.items():
        data = jpeg_of([(marker if m == 0xC0 else m, c) for m, c in jpeg_segments(BASE)])
        found = refusal(data)
        assert found.code == "unsupported-format"
        assert name in found.cause
    for bits in (0, 2, 12, 16):
        found = refusal(changed_frame(BASE, lambda c, bits=bits: bytes((bits,)) + c[1:]))
        assert (found.code, f"{bits} bits" in found.cause) == ("unsupported-format", True)
    for marker in (0xC1, 0xC9, 0xCA):
        data = jpeg_of([(marker if m == 0xC0 else m, c) for m, c in jpeg_segments(BASE)])
        assert_verdicts([Case(hex(marker), data, ("broken", "truncated", "unsupported-format"), may_be_used=True)])


def test_missing_doubled_and_swapped_segments_have_one_verdict():
    segments = jpeg_segments(BASE)
    cases = []
    for marker in (0xDB, 0xC4, 0xC0):
        gone = jpeg_of([s for s in segments if s[0] != marker])
        twice = jpeg_of([s for s in segments for _ in range(1 + (s[0] == marker))])
        # Without Huffman tables the decoder takes the standard ones, as for motion JPEG.
        cases.append(Case(f"no {marker:x}", gone, ("broken",), may_be_used=marker == 0xC4))
        cases.append(Case(f"twice {marker:x}", twice, ("broken",), may_be_used=marker != 0xC0))
    random = np.random.default_rng(3)
    for number in range(12):
        order = random.permutation(len(segments))
        swapped = jpeg_of([segments[i] for i in order])
        cases.append(Case(f"order {number}", swapped, ("broken", "truncated"), may_be_used=True))
    place = BASE.index(b"\xff\xdb") + 2
    for length in (0, 1, 65535):
        lying = BASE[:place] + struct.pack(">H", length) + BASE[place + 2 :]
        cases.append(Case(f"length {length}", lying, ("broken", "truncated")))
    assert_verdicts(cases)


def test_a_taller_frame_than_its_data_is_marked_or_refused():
    cases = []
    for name, size in {"taller": (480, 56), "wider": (40, 640), "shorter": (16, 56)}.items():
        data = changed_frame(BASE, lambda c, size=size: c[:1] + struct.pack(">HH", *size) + c[5:])
        notes = () if name == "shorter" else ("decoder-warned",)
        cases.append(Case(name, data, ("broken", "truncated"), may_be_used=True, notes=notes))
    for size in ((0, 56), (40, 0)):
        data = changed_frame(BASE, lambda c, size=size: c[:1] + struct.pack(">HH", *size) + c[5:])
        cases.append(Case(f"{size}", data, ("no-pixels",)))
    assert_verdicts(cases)


def test_what_stands_beside_the_pixels_is_never_read():
    data = saved(quarters(), "JPEG")
    entity = b"http://ns.adobe.com/xap/1.0/\0<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><x>&y;</x>"
    segments = {
        "photoshop": (0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\x09cut"),
        "xmp": (0xE1, entity),
        "comment": (0xFE, b"%s%n" * 9000),
        "thumbnail": (0xE0, b"JFIF\0\1\1\0\0\1\0\1\xff\xff"),
        "mpf": (0xE2, b"MPF\0" + bytes(range(60))),
    }
    assert_verdicts(
        [Case(name, with_segment(data, *segment), shows_quarters=True) for name, segment in segments.items()]
    )
    several = saved(
        Image.fromarray(quarters()), "MPO", {"save_all": True, "append_images": [Image.fromarray(grain(24, 32))]}
    )
    assert_verdicts([Case("mpo", several, shows_quarters=True)])
