import ast
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.draw import draw, encoded
from tests.images.bad_images import exif, grain, saved
from vidi.errors import ImageError
from vidi.images import decode as decoder
from vidi.images.decode import DecodeJob, decode_image, read_header, read_one
from vidi.images.framing import Framing, frame_image
from vidi.images.limits import NOTES, REASONS, DecodeOptions, Limits

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF")


def smooth(height: int, width: int) -> np.ndarray:
    """An image like a photograph: slopes and soft spots."""
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / (30 + 9 * k)) + np.cos(columns / (25 + 7 * k)) for k in range(3)]
    return (np.stack(waves, axis=-1) * 60 + 127).astype(np.uint8)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_gives_pillows_pixels(format):
    data = saved(grain(), format)
    decoded = decode_image(data)
    reference = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(decoded.image, reference)
    assert (decoded.size, decoded.notes) == ((40, 56), ())
    assert decoded.image.dtype == np.uint8


@pytest.mark.parametrize("format", FORMATS)
def test_the_header_tells_the_size_that_decoding_gives(format):
    data = saved(grain(), format)
    assert read_header(data).size == decode_image(data).size


def test_a_turned_image_has_the_size_of_the_upright_one():
    data = saved(grain(), "JPEG", {"exif": exif(6)})
    assert read_header(data).size == (56, 40)
    assert decode_image(data).image.shape == (56, 40, 3)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_large_jpeg_is_decoded_reduced_but_never_below_what_is_needed(progressive):
    data = saved(smooth(800, 1000), "JPEG", {"progressive": progressive})
    for at_least, expected in (((800, 1000), 1), ((400, 500), 2), ((199, 250), 4), ((90, 100), 8), ((101, 5), 4)):
        decoded = decode_image(data, at_least=at_least)
        assert decoded.image.shape == (800 // expected, 1000 // expected, 3)
        assert decoded.size == (800, 1000)


def test_what_is_needed_of_a_turned_jpeg_is_meant_upright():
    data = saved(smooth(800, 1000), "JPEG", {"exif": exif(6)})
    assert decode_image(data, at_least=(500, 400)).image.shape == (500, 400, 3)
    assert decode_image(data, at_least=(501, 400)).image.shape == (1000, 800, 3)


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_both_jpeg_decoders_give_the_same_pixels(monkeypatch, scale):
    data = saved(smooth(803, 997), "JPEG")
    at_least = (-(-803 // scale), -(-997 // scale))
    fast = decode_image(data, at_least=at_least).image
    monkeypatch.setattr(decoder, "simplejpeg", None)
    assert np.array_equal(fast, decode_image(data, at_least=at_least).image)


@pytest.mark.parametrize("mode", ["stretch", "pad", "crop"])
def test_reduced_decoding_frames_like_full_decoding_within_the_stated_levels(mode):
    framing = Framing(size=(96, 96), mode=mode)
    data = saved(smooth(900, 1200), "JPEG", {"quality": 90})
    full = frame_image(decode_image(data).image, framing).astype(int)
    difference = abs(read_one(data, DecodeJob(framing=framing)).pixels().astype(int) - full)
    assert difference.max() <= 8
    assert difference.mean() <= 0.3


def test_a_baseline_jpeg_over_the_limit_for_pixels_is_decoded_reduced():
    data = saved(smooth(300, 400), "JPEG")
    limits = Limits(pixels=40_000, baseline_jpeg_pixels=120_000)
    decoded = decode_image(data, options=DecodeOptions(limits=limits))
    assert (decoded.size, decoded.image.shape) == ((300, 400), (150, 200, 3))
    progressive = saved(smooth(300, 400), "JPEG", {"progressive": True})
    with pytest.raises(ImageError, match="40,000 in all are the most"):
        decode_image(progressive, options=DecodeOptions(limits=limits))


def test_memory_is_judged_from_the_header():
    data = saved(smooth(300, 400), "PNG")
    limits = Limits(memory_bytes=7 * 300 * 400)
    assert decode_image(data, options=DecodeOptions(limits=limits)).size == (300, 400)
    with pytest.raises(ImageError) as caught:
        decode_image(data, options=DecodeOptions(limits=Limits(memory_bytes=7 * 300 * 400 - 1)))
    assert caught.value.code == "too-much-memory"


def test_a_progressive_jpeg_holds_all_its_coefficients():
    full = read_header(saved(smooth(64, 64), "JPEG", {"progressive": True, "subsampling": 0}))
    assert full.coded_bytes == 64 * 64 * 3 * 2
    halved = read_header(saved(smooth(64, 64), "JPEG", {"progressive": True, "subsampling": 2}))
    assert halved.coded_bytes == 64 * 64 * 3
    assert read_header(saved(smooth(64, 64), "JPEG")).coded_bytes == 0


def test_a_file_over_the_limit_of_bytes_is_refused_before_it_is_looked_at():
    with pytest.raises(ImageError, match="1,000 are the most"):
        decode_image(bytes(1001), options=DecodeOptions(limits=Limits(file_bytes=1000)))


def test_the_refusal_names_what_happened_and_a_remedy():
    with pytest.raises(ImageError, match="looks like a PDF document") as caught:
        decode_image(b"%PDF-1.7")
    assert caught.value.code == "not-an-image"
    assert caught.value.remedy


def test_orientation_is_all_that_is_read_of_exif():
    image = Image.fromarray(draw("disc"))
    tags = Image.Exif()
    tags[0x0112], tags[0x010F], tags[0x9003] = 6, "Secret Camera", "2026:11:21 10:00:00"
    decoded = decode_image(saved(image, "JPEG", {"exif": tags.tobytes()}))
    assert "Secret" not in repr(decoded)
    assert decoded.notes == ()


def test_every_code_that_the_source_uses_is_listed():
    source = Path(decoder.__file__).parent
    used = set()
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_refusal = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ImageError"
            if is_refusal and isinstance(node.args[0], ast.Constant):
                used.add(node.args[0].value)
    assert used <= set(REASONS)
    assert not set(REASONS) & set(NOTES) - {"truncated"}


def test_no_other_decoder_of_pillow_is_ever_loaded():
    script = (
        "import sys\nfrom vidi.images.decode import decode_image\nfrom vidi.errors import ImageError\n"
        "for data in (sys.stdin.buffer.read(), b'%!PS-Adobe-3.0 EPSF-3.0', b'SIMPLE  =  T', b'\\0' * 200):\n"
        "    try: decode_image(data)\n"
        "    except ImageError: pass\n"
        "print(*sorted(name for name in sys.modules if name.startswith('PIL.') and 'Plugin' in name))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], input=encoded(draw("disc")), capture_output=True, check=True
    )
    assert result.stdout.decode().split() == ["PIL.JpegImagePlugin", "PIL.PngImagePlugin"]


def test_the_reference_lists_every_code():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "codes.md").read_text(encoding="utf-8")
    for code, sentence in (*REASONS.items(), *NOTES.items()):
        assert f"| `{code}` | {sentence} |" in page
