"""Damaged and unusual images in the formats other than JPEG."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.images.bad_images import (
    Case,
    bmp,
    chunk,
    gif,
    grain,
    png,
    png_around,
    quarters,
    rows_of,
    saved,
    tiff,
    zero_stream,
)
from tests.images.verdicts import assert_verdicts, refusal, used
from vidi.images.limits import DecodeOptions

pytestmark = pytest.mark.fault

GOOD_PNG = saved(grain(), "PNG")
SHAPE = (24, 32)


def test_a_broken_png_is_refused():
    data = GOOD_PNG.index(b"IDAT")
    cases = [
        Case(f"cut{s}", GOOD_PNG[: len(GOOD_PNG) * s // 100], ("truncated", "not-an-image", "broken"))
        for s in (1, 10, 50, 95)
    ]
    cases += [
        Case("header checksum", GOOD_PNG[:29] + b"\0\0\0\0" + GOOD_PNG[33:], ("broken",)),
        Case("data checksum", GOOD_PNG[:-16] + b"\0\0\0\0" + GOOD_PNG[-12:], ("broken",)),
        Case("no data", GOOD_PNG[: data - 4] + chunk(b"IEND"), ("broken",)),
        Case("4 GB chunk", GOOD_PNG[: data - 4] + b"\xff\xff\xff\xff" + GOOD_PNG[data:], ("broken",)),
        Case("2 GB chunk", GOOD_PNG[: data - 4] + b"\x7f\xff\xff\xff" + GOOD_PNG[data:], ("truncated",)),
        Case("junk stream", png_around(bytes(range(256)), SHAPE), ("broken",)),
        Case("short stream", png(SHAPE, bytes(200)), ("truncated",)),
        Case("filter 5", png(SHAPE, (b"\5" + bytes(96)) * 24), ("broken",), may_be_used=True),
        Case("no end chunk", png(SHAPE, rows_of(quarters()), end=False), notes=("end-missing",), shows_quarters=True),
    ]
    wrong = ((3, 0), (16, 3), (8, 5), (8, 1), (0, 0), (32, 2), (4, 2))
    cases += [Case(f"{d} {c}", png(SHAPE, bytes(9999), depth=d, colour=c), ("broken",)) for d, c in wrong]
    assert_verdicts(cases)


def test_sixteen_bits_are_scaled_and_not_clipped():
    ramp = np.linspace(0, 65535, 24 * 32).reshape(24, 32)
    deep = quarters().astype(np.uint16) * 257
    for data in (png(SHAPE, rows_of(ramp.astype(">u2")), depth=16, colour=0), tiff(ramp.astype("<u2"))):
        assert abs(used(data).image.mean() - 127) <= 1
    assert_verdicts(
        [
            Case("rgb png", png(SHAPE, rows_of(deep.astype(">u2")), depth=16, colour=2), shows_quarters=True),
            Case("rgb tiff", tiff(deep.astype("<u2")), shows_quarters=True),
        ]
    )
    twelve = used(png(SHAPE, rows_of((ramp // 16).astype(">u2")), depth=16, colour=0)).image
    assert twelve.max() == 15  # 12 bits in 16: the same rule, so dark


def test_fractions_take_the_files_own_range_and_nothing_infinite_passes():
    ramp = np.linspace(0, 1, 24 * 32).reshape(24, 32)
    odd = {
        "unit": ramp,
        "byte": ramp * 255,
        "nan": np.where(ramp > 0.5, np.nan, ramp),
        "infinite": np.where(ramp > 0.9, np.inf, ramp),
        "negative": ramp - 0.5,
        "huge": ramp * 1e30,
    }
    for name, values in odd.items():
        found = used(tiff(values.astype("<f4")))
        assert "range-scaled" in found.notes, name
        assert (found.image.min(), found.image.max()) == (0, 255), name
    assert used(tiff((ramp * 2e9).astype("<i4"))).image.max() == 255
    assert refusal(tiff(np.full(SHAPE, np.nan, "<f4"))).code == "broken"
    for values in (ramp.astype("<f8"), np.repeat(ramp[..., None], 3, 2).astype("<f4")):
        assert_verdicts([Case("wide", tiff(values), ("unsupported-format",), may_be_used=True)])


def test_palettes_give_their_colours_and_no_others():
    palette = Image.fromarray(quarters()).quantize(8)
    assert_verdicts(
        [
            Case("palette", saved(palette, "PNG"), shows_quarters=True),
            Case("gif", saved(palette, "GIF"), shows_quarters=True),
            Case("alpha", saved(palette, "PNG", {"transparency": bytes([0, 128])})),
            Case("clear index", saved(palette, "GIF", {"transparency": 0})),
            Case("no palette", png(SHAPE, bytes(33 * 24), colour=3), ("broken",)),
        ]
    )
    one = chunk(b"PLTE", b"\xff\0\0")
    for depth in (1, 2, 4, 8):
        row = b"\0" + b"\xff" * (32 * depth // 8)
        assert refusal(png(SHAPE, row * 24, depth=depth, colour=3, extra=one)).code == "broken"


def test_transparency_shows_the_background_and_not_the_hidden_colour():
    clear = Image.new("RGBA", (32, 24), (255, 0, 0, 0))
    half = Image.new("LA", (32, 24), (0, 128))
    for format in ("PNG", "WEBP", "TIFF"):
        assert (used(saved(clear, format)).image == 255).all(), format
        blue = DecodeOptions(background=(0, 0, 255))
        assert (used(saved(clear, format), blue).image == (0, 0, 255)).all(), format
    assert abs(used(saved(half, "PNG")).image.mean() - 127) <= 1
    keyed = saved(quarters(), "PNG", {"transparency": (255, 0, 0)})
    assert (used(keyed).image[:12, :16] == 255).all()


def test_one_bit_is_black_and_white():
    dots = Image.fromarray(grain()[:, :, 0] > 120)
    for format in ("PNG", "TIFF", "BMP", "PPM"):
        image = used(saved(dots, format)).image
        assert set(np.unique(image)) == {0, 255}, format
        assert np.array_equal(image[..., 0] == 255, np.asarray(dots)), format
    white = tiff(np.zeros((24, 4), np.uint8), change={256: (4, 1, 32), 258: (3, 1, 1), 262: (3, 1, 0)})
    assert (used(white).image == 255).all()


def test_the_first_frame_or_page_is_the_image():
    others = [Image.fromarray(grain(24, 32, seed)) for seed in range(3)]
    for format in ("GIF", "WEBP", "PNG", "TIFF"):
        data = saved(quarters(), format, {"save_all": True, "append_images": others})
        assert_verdicts([Case(format, data, shows_quarters=True, notes=("first-frame",))])
    for page in (8, 2**31):
        assert_verdicts([Case("page chain", tiff(quarters(), more=page), shows_quarters=True)])


def test_text_and_profiles_that_grow_are_never_inflated_whole():
    bomb = zero_stream(64 << 20)
    extras = {
        "profile": chunk(b"iCCP", b"x\0\0" + bomb),
        "text": chunk(b"zTXt", b"k\0\0" + bomb),
        "utf-8": chunk(b"iTXt", b"k\0\1\0\0\0" + bomb),
        "many": chunk(b"tEXt", b"k\0v") * 20_000,
        "long": chunk(b"tEXt", b"k\0" + b"v" * 900_000),
    }
    assert_verdicts([Case(n, png(SHAPE, rows_of(quarters()), extra=e), shows_quarters=True) for n, e in extras.items()])


def test_gifs_at_their_edges():
    assert_verdicts(
        [
            Case("no frame", gif((8, 8), []), ("broken",)),
            Case("code size", gif((8, 8), [b"\x04\x01"], code_size=99), ("broken", "truncated")),
            Case("no pixels coded", gif((8, 8), [b"\x04\x01"]), ("truncated",)),
            Case("bad codes", gif((8, 8), [bytes(range(200, 250))]), ("broken", "truncated"), may_be_used=True),
            Case("no trailer", saved(quarters(), "GIF")[:-1], notes=("end-missing",)),
            Case("cut", saved(grain(), "GIF")[:-300], ("truncated",)),
        ]
    )
    grey = saved(Image.fromarray(quarters()[:, :, 0]), "GIF")
    assert used(grey).size == SHAPE


def test_a_tiff_with_one_wrong_field_is_refused():
    samples = grain(24, 24)[:, :, 0]

    def changed(tag: int, count: int, value: int, kind: int = 4) -> bytes:
        return tiff(samples, change={tag: (kind, count, value)})

    refused = {
        "strip past the end": changed(273, 1, 2**31),
        "compression 99": changed(259, 1, 99),
        "JPEG inside": changed(259, 1, 7),
        "photometric 77": changed(262, 1, 77),
        "9,999 samples": changed(277, 1, 9999),
        "7 bits": changed(258, 1, 7),
        "width 0": changed(256, 1, 0),
        "4 G strips": changed(273, 2**32 - 1, 8),
        "type 99": changed(257, 1, 24, 99),
        "cut": tiff(samples)[:60],
        "no directory": b"II*\0\xff\xff\xff\xff",
        "big, cut": b"II+\0\x08\0\0\0" + b"\xff" * 8,
    }
    codes = ("broken", "truncated", "unsupported-format", "no-pixels")
    assert_verdicts([Case(name, data, codes) for name, data in refused.items()])
    assert_verdicts([Case("plain", tiff(samples)), Case("short", changed(279, 1, 9), codes, may_be_used=True)])


def test_a_cut_webp_is_refused_and_a_lying_length_is_not_believed():
    for options in ({"lossless": True}, {"quality": 90}, {"quality": 0}):
        data = saved(quarters(), "WEBP", options)
        assert_verdicts(
            [
                Case("whole", data, shows_quarters=options != {"quality": 0}),
                Case("cut", data[: len(data) // 2], ("truncated",)),
                Case("length", data[:4] + b"\xff\xff\xff\x7f" + data[8:], notes=("size-differs",)),
            ]
        )


def test_rarer_bmps_are_used_and_impossible_ones_refused():
    palette = b"\0\0\xff\0\0\xff\0\0" * 2
    rle8, rle4 = b"\x08\x01\0\0" * 8 + b"\0\1", b"\x08\x11\0\0" * 8 + b"\0\1"
    assert_verdicts(
        [
            Case("rle8", bmp((8, 8), 8, rle8, compression=1, palette=palette)),
            Case("rle4", bmp((8, 8), 4, rle4, compression=2, palette=palette)),
            Case("top-down", bmp((-8, 8), 24, bytes(192))),
            Case("16 bits", bmp((8, 8), 16, bytes(128))),
            Case("32 bits", bmp((8, 8), 32, bytes(256))),
            Case(
                "leaves",
                bmp((8, 8), 8, b"\0\2\xff\xff\0\1", compression=1, palette=palette),
                ("broken", "truncated"),
                True,
            ),
            Case("cut", bmp((8, 8), 24, bytes(100)), ("truncated",)),
            *[Case(f"{bits} bits", bmp((8, 8), bits, bytes(600)), ("broken",)) for bits in (0, 3, 64, 255)],
        ]
    )


def test_pnm_of_all_kinds():
    good = {
        "p1": b"P1\n# note\n4 2\n0 1 0 1\n1 0 1 0\n",
        "p2": b"P2 4 2 9\n0 1 2 3 4 5 6 9\n",
        "p3": b"P3 4 2 255\n" + b"255 0 0 " * 8,
        "p4": b"P4 4 2\n\xa0\x50",
        "p5": b"P5 4 2 255\n" + bytes(8),
        "p5 deep": b"P5 4 2 65535\n" + bytes(16),
        "p6 two values": b"P6 4 2 1\n" + bytes(24),
    }
    bad = {
        "negative": b"P5 -4 2 255\n" + bytes(8),
        "largest 0": b"P5 4 2 0\n" + bytes(8),
        "largest 70000": b"P5 4 2 70000\n" + bytes(16),
        "short": b"P6 4 2 255\n" + bytes(5),
        "letters": b"P2 4 2 255\n0 x 2",
        "too many digits": b"P5 99999999999999999999 2 255\n",
        "long comment": b"P5 #" + b"c" * 200_000,
    }
    assert_verdicts([Case(name, data) for name, data in good.items()])
    assert_verdicts([Case(name, data, ("broken", "truncated")) for name, data in bad.items()])
    assert used(b"P5 2 1 65535\n\x00\x00\xff\xff").image[0, :, 0].tolist() == [0, 255]


def test_rows_that_are_missing_never_pass_as_black():
    def with_size(height: int, width: int) -> bytes:
        fields = struct.pack(">II", width, height) + GOOD_PNG[24:29]
        return GOOD_PNG[:8] + chunk(b"IHDR", fields) + GOOD_PNG[33:]

    assert_verdicts(
        [
            Case("taller", with_size(400, 56), ("truncated",)),
            Case("wider", with_size(40, 560), ("truncated", "broken")),
            Case("shorter", with_size(16, 56), ("broken",), may_be_used=True),
            Case("no height", with_size(0, 56), ("no-pixels",)),
            Case("no width", with_size(40, 0), ("no-pixels",)),
        ]
    )
    black = np.zeros((40, 56, 3), np.uint8)
    assert_verdicts([Case("black to the end", saved(black, "PNG")), Case("one colour", saved(black, "GIF"))])
    tall = zlib.compress(rows_of(grain()))
    assert refusal(png_around(tall, (400, 56), colour=2)).code == "truncated"
