"""Drawn image files of the kinds that hosts could read in different ways, and a model file's own answers about them.

A small part of the agreement bench, for tests: each file is of a format that browsers and Pillow read.
"""

import functools
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

from bench.agreeing.answers import Answers, from_numbers
from vidi.images.decode import decode_image
from vidi.model_file.golden import ask
from vidi.model_file.read import ModelFile
from vidi.prediction.engines import open_session

ORIENTATION = 0x0112
SIZES = ((96, 128), (150, 110), (64, 64), (75, 200), (240, 180))  # (height, width), pixels

Options = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrialImage:
    """One image file, and what vidi decodes it to."""

    name: str
    data: bytes
    pixels: NDArray[np.uint8]  # (height, width, 3), upright RGB


@functools.cache
def trial_images() -> tuple[TrialImage, ...]:
    """All of them, the same every time; about 30, some kilobytes each."""
    return tuple(TrialImage(name=name, data=data, pixels=decode_image(data).image) for name, data in _files().items())


def model_answers(model: ModelFile, images: Sequence[TrialImage], *, novelty: bool = True) -> Answers:
    """What the model file answers in onnxruntime about the pixels that vidi decodes.

    Args:
        model: the model file.
        images: what it is asked about.
        novelty: whether the verdicts look at it, as hosts do that measure it.

    Raises:
        ModelError: the graph fails on an image.
    """
    session = open_session(model)
    answers: Answers = {}
    for one in images:
        row, strange = ask(session, one.pixels)
        answers[one.name] = from_numbers(row, strange if novelty else None, model.metadata)
    return answers


def exif(orientation: int) -> bytes:
    """An EXIF block that says one thing."""
    block = Image.Exif()
    block[ORIENTATION] = orientation
    return block.tobytes()


def xmp(orientation: int) -> bytes:
    """An XMP packet that says one thing."""
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}"/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def xmp_of_png(orientation: int) -> PngInfo:
    """The same packet as PNG keeps it."""
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp(orientation).decode())
    return text


def _files() -> dict[str, bytes]:
    return {**_turned(), **_whole(), **_of_few_colours(), **_transparent(), **_small()}


def _turned() -> dict[str, bytes]:
    """EXIF counts, XMP does not."""
    files = {f"JPEG turned by EXIF {turn}": _saved(_drawn(turn), "JPEG", {"exif": exif(turn)}) for turn in range(1, 9)}
    for format, turn in (("WEBP", 6), ("PNG", 8)):
        files[f"{format} turned by EXIF"] = _saved(_drawn(turn), format, {"exif": exif(turn)})
    for format in ("JPEG", "WEBP"):
        files[f"{format} with XMP alone"] = _saved(_drawn(9), format, {"xmp": xmp(6)})
    files["PNG with XMP alone"] = _saved(_drawn(10), "PNG", {"pnginfo": xmp_of_png(3)})
    files["EXIF and XMP at odds"] = _saved(_drawn(11), "JPEG", {"exif": exif(8), "xmp": xmp(6)})
    return files


def _whole() -> dict[str, bytes]:
    """Photographs' own formats."""
    files = {
        "JPEG of low quality": _saved(_drawn(12), "JPEG", {"quality": 40}),
        "progressive JPEG": _saved(_drawn(13), "JPEG", {"progressive": True, "subsampling": 2}),
        "JPEG without subsampling": _saved(_drawn(14), "JPEG", {"subsampling": 0}),
        "WebP": _saved(_drawn(15), "WEBP"),
        "PNG": _saved(_drawn(16), "PNG"),
    }
    if features.check("avif"):
        files["AVIF"] = _saved(_drawn(17), "AVIF")
    frames = [_drawn(18), _drawn(23)]
    return files | {"animated GIF": _saved(frames[0], "GIF", {"save_all": True, "append_images": frames[1:]})}


def _of_few_colours() -> dict[str, bytes]:
    """Grey, and palettes."""
    image = _drawn(22)
    return {
        "grey JPEG": _saved(image.convert("L"), "JPEG"),
        "grey PNG": _saved(image.convert("L"), "PNG"),
        "PNG of one bit": _saved(image.convert("1"), "PNG"),
        "palette": _saved(image.quantize(16), "PNG"),
        "palette with a clear colour": _saved(image.quantize(8), "GIF", {"transparency": 1}),
    }


def _transparent() -> dict[str, bytes]:
    """White shows through."""
    image = _drawn(20)
    slope = Image.fromarray(np.linspace(0, 255, image.width)[None].repeat(image.height, 0).astype(np.uint8))
    image.putalpha(slope)
    return {
        "transparent PNG": _saved(image, "PNG"),
        "transparent grey PNG": _saved(image.convert("LA"), "PNG"),
        "transparent WebP": _saved(image, "WEBP", {"lossless": True}),
    }


def _small() -> dict[str, bytes]:
    """One pixel, one row, and little more."""
    sizes = {"one pixel": (1, 1), "one row": (1, 90), "one column": (90, 1), "few pixels": (7, 5)}
    return {name: _saved(_drawn(21, size), "PNG") for name, size in sizes.items()}


def _drawn(number: int, size: tuple[int, int] | None = None) -> Image.Image:
    """Ramps, a checkerboard and a grain, by whole-number arithmetic alone; another for each number."""
    height, width = size or SIZES[number % len(SIZES)]
    rows, columns = np.mgrid[:height, :width]
    squares = ((rows * 4 // height + columns * (3 + number % 3) // width) % 2) * 110
    grain = (rows * 7 + columns * 13 + number * 29) % 32
    down, across = rows * 200 // height, columns * 200 // width
    channels = [down // 2 + squares + grain, across + grain, (down + across + number * 40) % 200 + grain]
    order = number % 3
    return Image.fromarray(np.dstack(channels[order:] + channels[:order]).astype(np.uint8))


def _saved(image: Image.Image, format: str, options: Options | None = None) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **(options or {}))
    return stream.getvalue()
