"""What the bytes are, how large and how turned decides; the name does not."""

import io
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.counts import count
from tests.images.bad_images import (
    Case,
    bmp,
    changed_frame,
    damaged,
    exif,
    gif,
    grain,
    png_around,
    quarters,
    saved,
    tiff,
    with_segment,
    zero_stream,
)
from tests.images.verdicts import assert_verdicts, outcome, refusal, used
from vidi.errors import ImageError
from vidi.images.decode import read_header
from vidi.images.limits import REASONS, DecodeOptions, Limits

pytestmark = pytest.mark.fault

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
# EXIF orientation: the turn by which the stored pixels come from the upright ones.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("format", [*FORMATS, "AVIF"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_orientation_comes_out_upright(format, orientation):
    upright, turn = Image.fromarray(quarters()), STORED[orientation]
    stored = upright if turn is None else upright.transpose(turn)
    data = saved(stored, format, {"exif": exif(orientation)})
    assert_verdicts([Case(format, data, shows_quarters=True)])
    assert used(data).size == read_header(data).size == (24, 32)


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF"])
def test_an_orientation_in_xmp_alone_turns_nothing(format: str):
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = saved(quarters(), format, {"xmp": packet})
    assert_verdicts([Case(format, data, shows_quarters=True)])
    assert used(data).size == read_header(data).size == (24, 32)


def test_broken_exif_leaves_the_image_as_stored():
    jpeg = saved(quarters(), "JPEG")

    def entry(kind: int, number: int) -> bytes:
        return b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x112, kind, number, 6)

    odd = {
        "empty": b"",
        "zeros": bytes(40),
        "text": b"no exif at all",
        "cut": b"II*\0\x08\0",
        "far": b"II*\0\xff\xff\xff\x7f",
        "loop": b"II*\0" + struct.pack("<IHI", 8, 0, 8),
        "65,535 entries": b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(12),
        "4 G values": entry(3, 0xFFFFFFFF),
        "text as value": entry(2, 4),
        "other order": b"MM\0*" + exif(6)[10:],
        **{f"orientation {value}": exif(value)[6:] for value in (0, 9, 255, 65535)},
    }
    assert_verdicts([Case(n, with_segment(jpeg, 0xE1, b"Exif\0\0" + e), shows_quarters=True) for n, e in odd.items()])


def test_a_profile_is_applied_where_usable_and_left_alone_where_not():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    odd = {
        "sRGB": (srgb, ()),
        "Lab": (lab, ("profile-unusable",)),
        "junk": (bytes(range(256)) * 2, ("profile-unusable",)),
        "cut": (srgb[:100], ("profile-unusable",)),
        "900 kB": (srgb + bytes(900_000), ()),
        "length": (b"\x7f\xff\xff\xff" + srgb[4:], ()),
        "tags": (srgb[:128] + b"\xff\xff\xff\xff" + srgb[132:], ()),
    }
    for format in FORMATS:
        files = {n: (saved(quarters(), format, {"icc_profile": p}), notes) for n, (p, notes) in odd.items()}
        assert_verdicts([Case(f"{format} {n}", d, shows_quarters=True, notes=notes) for n, (d, notes) in files.items()])


def wide_profile() -> bytes:
    """sRGB with red and green primaries changed places, under another name."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[:] = (
        data.replace(b"s\0R\0G\0B\0", b"w\0i\0d\0e\0")
        .replace(b"\0s\0R\0G\0B", b"\0w\0i\0d\0e")
        .replace(b"sRGB", b"wide")
    )
    places = {bytes(data[p : p + 4]): p for p in range(132, 132 + 12 * int.from_bytes(data[128:132], "big"), 12)}
    red, green = places[b"rXYZ"], places[b"gXYZ"]
    data[red + 4 : red + 12], data[green + 4 : green + 12] = data[green + 4 : green + 12], data[red + 4 : red + 12]
    return bytes(data)


def test_one_scene_in_two_profiles_looks_the_same():
    plain = quarters()
    swapped = saved(plain[:, :, [1, 0, 2]], "PNG", {"icc_profile": wide_profile()})
    found = used(swapped)
    assert "profile-applied" in found.notes
    assert abs(found.image.astype(int) - plain).max() <= 8


def giants() -> dict[str, bytes]:
    """Files that declare far more than they hold."""
    stream = zero_stream(4000)
    made = {}
    for height, width in ((30000, 30000), (65500, 65500), (20000, 100000), (2**31 - 1, 2)):
        made[f"png {width}"] = png_around(stream, (height, width), colour=2)
        made[f"tiff {width}"] = tiff(grain(4, 4), change={256: (4, 1, width), 257: (4, 1, height)})
        made[f"ppm {width}"] = b"P6 %d %d 255\n" % (width, height) + bytes(100)
        made[f"bmp {width}"] = bmp((height, width), 24, bytes(100))
    made["gif"] = gif((65535, 65535), [b"\x04\x01"])
    made["webp"] = b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"\xff" * 6
    made["jpeg"] = changed_frame(saved(grain(), "JPEG"), lambda c: c[:1] + b"\xff\xdc\xff\xdc" + c[5:])
    return made


def test_a_giant_is_refused_from_its_header_with_size_limit_and_setting():
    for name, data in giants().items():
        found = refusal(data)
        assert found.code == "too-many-pixels", name
        assert "64,000,000" in found.cause or "250,000,000" in found.cause, name
        assert "pixels`" in found.remedy, name


def test_the_limit_is_a_setting():
    data = saved(grain(100, 100), "PNG")
    assert refusal(data, DecodeOptions(limits=Limits(pixels=9_999))).code == "too-many-pixels"
    assert used(data, DecodeOptions(limits=Limits(pixels=10_000))).size == (100, 100)


def test_many_frames_cost_no_more_than_the_first():
    one = saved(Image.new("L", (64, 64)), "GIF")
    start = 13 + 3 * 2 ** ((one[10] & 7) + 1)
    assert_verdicts([Case("5,000 frames", one[:start] + one[start:-1] * 5000 + b";", notes=("first-frame",))])
    hidden = png_around(zero_stream(64 << 20), (64, 64))
    assert_verdicts([Case("64 MB behind a small image", hidden, ("broken",), may_be_used=True)])


def test_a_format_without_decoder_is_named():
    def box(brand: bytes) -> bytes:
        return b"\0\0\0\x18ftyp" + brand + bytes(4) + b"mif1" + brand + bytes(range(200))

    named = {
        "Canon": box(b"crx "),
        "video": box(b"mp42"),
        "JPEG XL": b"\xff\x0a" + bytes(99),
        "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99),
        "Photoshop": b"8BPS\0\1" + bytes(20),
        "OpenEXR": b"v/1\x01" + bytes(90),
        "icon": struct.pack("<HHH", 0, 1, 1) + bytes(60),
    }
    for name, data in named.items():
        found = refusal(data)
        assert (found.code, name in found.cause) == ("unsupported-format", True), found.cause
        assert found.remedy


@pytest.mark.parametrize("format", FORMATS)
def test_thin_images_are_used(format):
    for size in ((1, 1), (2, 1), (1, 5000), (5000, 1), (3, 3), (2, 12000)):
        data = saved(np.full((*size, 3), (200, 30, 30), np.uint8), format)
        assert used(data).image.shape == (*size, 3)


def test_an_image_without_pixels_is_refused():
    for size in ((0, 1), (1, 0), (0, 0)):
        assert refusal(png_around(zero_stream(1), size)).code == "no-pixels"
        assert refusal(gif(size, [b"\x04\x01"])).code == "no-pixels"


FOREIGN = {
    "text": b"hello\n",
    "web page": b"<!DOCTYPE html><script>alert(1)</script>",
    "HTTP": b"HTTP/1.1 404 Not FoundData\r\n\r\n",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "PDF": b"%PDF-1.4\n%%EOF",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\nshowpage\n",
    "JSON": b'{"a": 1}',
    "ELF": b"\x7fELF" + bytes(60),
    "ZIP": b"PK\3\4" + bytes(60),
    "pickle": b"\x80\x04\x95" + bytes(9),
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "XBM": b"#define a_width 99999\n#define a_height 99999\n",
    "FITS": b"SIMPLE  =                    T" + bytes(2000),
    "DICOM": bytes(128) + b"DICM" + bytes(99),
}


def test_what_is_no_image_is_refused_saying_what_it_looks_like():
    for name, data in FOREIGN.items():
        found = refusal(data)
        assert (found.code, name in found.cause) == ("not-an-image", True), found.cause


# Python itself loads it into every process, vidi's workers too; each dies at the first forbidden step.
WATCH = """
import os, sys
STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"}
FORBIDDEN = STARTS | {"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "marshal.load"}

def watch(event, values):
    if event in FORBIDDEN and "vidi.images.workers" not in str(values):  # but for our own workers
        os.write(2, f"forbidden: {event} {values}".encode())
        os._exit(99)

sys.addaudithook(watch)
"""


def test_nothing_is_started_or_fetched_for_it(tmp_path):
    data, site = tmp_path / "data", tmp_path / "site"
    data.mkdir()
    site.mkdir()
    (site / "sitecustomize.py").write_text(WATCH)
    for number, content in enumerate(FOREIGN.values()):
        (data / f"{number}.jpg").write_bytes(content)
    script = f"""if __name__ == "__main__":
    from pathlib import Path
    from vidi.images.pool import DecodeJob, read_images
    from vidi.images.store import FolderStore
    from vidi.images.scan import scan_folder
    root = Path({str(data)!r})
    paths = [file.path for file in scan_folder(root).files]
    for isolated in (False, True):
        read = list(read_images(FolderStore(root), paths, DecodeJob(), isolated=isolated, workers=1))
        assert [one.error.code for one in read] == ["not-an-image"] * len(paths), read
    print(len(paths), "refused", flush=True)
    import subprocess
    subprocess.run(["true"])
"""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False
    )

    assert result.stdout == f"{len(FOREIGN)} refused\n"
    assert result.stderr.startswith("forbidden: subprocess.Popen ('true'"), result.stderr  # the tracer was there
    assert result.returncode == 99


def test_nothing_at_all_is_refused():
    assert refusal(b"").code == "empty"
    random = np.random.default_rng(0).bytes(5000)
    for data in (b"\xff", b"\xff\xd8", bytes(5000), b"\xff" * 5000, random, b"BM"):
        assert refusal(data).code == "not-an-image"
    for data in (b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"GIF89a", b"II*\0"):
        assert refusal(data).code in ("truncated", "broken")


def seeds() -> dict[str, bytes]:
    """One good file of each kind."""
    image = grain()
    return {
        "base.jpg": saved(image, "JPEG"),
        "progressive.jpg": saved(image, "JPEG", {"progressive": True}),
        "rgb.png": saved(image, "PNG"),
        "palette.png": saved(Image.fromarray(image).quantize(16), "PNG"),
        "frames.gif": saved(image, "GIF", {"save_all": True, "append_images": [Image.fromarray(grain(seed=2))]}),
        "lossy.webp": saved(image, "WEBP"),
        "lossless.webp": saved(image, "WEBP", {"lossless": True}),
        "rgb.bmp": saved(image, "BMP"),
        "lzw.tif": saved(image, "TIFF", {"compression": "tiff_lzw"}),
        "plain.tif": saved(image, "TIFF"),
        "rgb.ppm": saved(image, "PPM"),
        "rgb.avif": saved(image, "AVIF"),
    }


def test_what_follows_an_image_is_remarked_and_what_precedes_it_is_not_forgiven():
    for name, data in seeds().items():
        whole = used(data).image
        for behind in (b"PK\3\4" + bytes(400), data):
            found = outcome(data + behind)
            if isinstance(found, ImageError):
                assert name == "rgb.avif", (name, found)
                continue
            assert np.array_equal(found.image, whole), name
            # A TIFF's parts may stand anywhere: none is the last.
            assert name.endswith((".tif", ".avif")) or "bytes-after-end" in found.notes, name
        assert refusal(b"\r\n" + data).code in ("not-an-image", "unsupported-format"), name


def test_blind_damage_never_does_more_than_be_refused():
    each = count(small=20, faults=200, soak=4000)
    options = DecodeOptions(limits=Limits(pixels=4_000_000, baseline_jpeg_pixels=4_000_000))
    for number, data in enumerate(seeds().values()):
        for bad in damaged(data, each, seed=number):
            first, again = outcome(bad, options), outcome(bad, options)
            if isinstance(first, ImageError):
                assert first.code in REASONS
                assert isinstance(again, ImageError)
                assert first.args == again.args
            else:
                assert not isinstance(again, ImageError)
                assert np.array_equal(first.image, again.image)


def test_the_content_decides_whatever_the_name_would_be():
    for format in (*FORMATS, "BMP", "GIF"):
        found = used(saved(quarters(), format))
        reference = np.asarray(Image.open(io.BytesIO(saved(quarters(), format))).convert("RGB"))
        assert abs(found.image.astype(int) - reference).max() <= 2
        assert found.format.upper() == format
