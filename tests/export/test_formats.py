"""The page reads the headers of image files as Python does, and refuses them by the same codes."""

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.counts import count
from tests.export.node import asked_of_node
from tests.images.bad_images import damaged, exif, grain, many_scans, png, quarters, saved, with_segment
from tests.images.test_content_decides import FOREIGN, giants, seeds
from vidi.errors import ImageError
from vidi.images.decode import read_header
from vidi.images.formats.header import Header, sniff

EXAMINE = """
import { examine } from "./formats.js";
const said = (text) => {
  try {
    const { format, width, height, orientation, notes } = examine(new Uint8Array(Buffer.from(text, "base64")));
    return { format, size: [height, width], orientation, notes };
  } catch (error) {
    if (!error.code) throw error;
    return { code: error.code };
  }
};
give(given.map(said));
"""
OUTSIDE = {"code": "unsupported-format"}  # of what every browser decodes to 8 bits


def header_of(data: bytes) -> dict[str, object]:
    """What Python says of a file, as far as the page reads such files."""
    try:
        if sniff(data) in ("BMP", "TIFF", "PNM"):
            return OUTSIDE
        header = read_header(data)
    except ImageError as error:
        return {"code": error.code}
    if is_outside(header):
        return OUTSIDE
    if header.pixel_count > 64_000_000:  # Python decodes a large baseline JPEG at a smaller scale; no browser does
        return {"code": "too-many-pixels"}
    size, notes = list(header.stored_size), list(header.notes)
    return {"format": header.format, "size": size, "orientation": header.orientation, "notes": notes}


def is_outside(header: Header) -> bool:
    if header.format == "JPEG":
        is_arithmetic = any(0xC8 < part.kind[0] < 0xCC for part in header.parts)
        return header.channels == 4 or is_arithmetic
    return header.format == "PNG" and header.sample_bits == 16


def whole_files() -> Iterator[bytes]:
    """Files of every kind that are not damaged."""
    for format in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"):
        yield saved(grain(), format)
    for format in ("JPEG", "PNG", "WEBP"):
        for orientation in range(10):
            for order in "<>":
                yield saved(quarters(), format, {"exif": exif(orientation, order)})
    yield saved(grain(), "JPEG", {"progressive": True})
    yield saved(Image.fromarray(grain()).convert("CMYK"), "JPEG")
    yield saved(Image.fromarray(grain()).convert("L"), "JPEG")
    yield saved(Image.fromarray(grain()).convert("P"), "PNG")
    yield saved(Image.fromarray(grain()).convert("RGBA"), "WEBP")
    yield saved(Image.fromarray(np.dstack([grain(), grain()[:, :, 0]])), "AVIF")
    yield png((24, 32), bytes(24 * (1 + 64)), depth=16, colour=0)
    yield many_scans(99)
    yield many_scans(101)
    yield with_segment(saved(quarters(), "JPEG"), 0xE1, b"Exif\0\0" + exif(6))
    frames = [Image.fromarray(grain(seed=seed)) for seed in (1, 2)]
    for format in ("GIF", "WEBP", "PNG"):
        yield saved(frames[0], format, {"save_all": True, "append_images": frames[1:]})


@pytest.mark.fault
def test_the_page_and_python_say_the_same_of_whole_and_damaged_files(tmp_path: Path):
    files = [*whole_files(), *FOREIGN.values(), *giants().values(), b""]
    files += [file + b"more" for file in whole_files()]
    files += [file[: len(file) * share // 100] for file in whole_files() for share in (10, 50, 90, 99)]
    for number, seed in enumerate(seeds().values()):
        files += damaged(seed, count(small=60, faults=500, soak=5_000), number)

    made = asked_of_node(EXAMINE, [base64.b64encode(file).decode() for file in files], tmp_path)

    expected = [header_of(file) for file in files]
    found = [(file[:60], one, other) for file, one, other in zip(files, expected, made, strict=True) if one != other]
    assert found == []
