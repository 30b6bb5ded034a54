"""Images of every kind that hosts could read in different ways, made from the formats' own options."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from bench.agreeing.drawn import exif, xmp, xmp_of_png
from bench.agreeing.photographs import Array, scene

FORMATS = ("JPEG", "WEBP", "PNG", "AVIF")
SIZES = ((96, 128), (150, 110), (333, 500), (375, 281), (64, 64), (240, 320))  # (height, width), pixels
QUALITIES = (95, 85, 75, 50)
ARCHIVES, REAL = ("clothing.zip", "coco128.zip", "person.zip"), 40  # of VIDI_DATA, and images of each
TWELVE_MEGAPIXELS = (3000, 4000)  # (height, width)


@dataclass(frozen=True, slots=True)
class Sample:
    """One image file; `in_browser`: its format is of the page's own set."""

    name: str
    kind: str
    data: bytes
    in_browser: bool = True


Options = Mapping[str, object]


def saved(image: Array | Image.Image, format: str, options: Options | None = None) -> bytes:
    """The bytes of a file, as Pillow writes it."""
    stream = io.BytesIO()
    whole = image if isinstance(image, Image.Image) else Image.fromarray(image)
    usual: Options = {"quality": 90} if format in ("JPEG", "WEBP", "AVIF") else {}
    whole.save(stream, format, **{**usual, **(options or {})})
    return stream.getvalue()


def some_scene(kind: str, index: int, size: tuple[int, int] | None = None) -> Array:
    """What the image shows: another for each kind and index."""
    return scene(zlib.crc32(kind.encode()) % 100_000 + index, size or SIZES[index % len(SIZES)])


def turn_of(index: int) -> int:
    """An orientation; any eight in a row are all eight, and with four formats in turn all pairs come in 32."""
    return 1 + (3 * index + index // 8) % 8


def with_exif(format: str) -> Callable[[str, int], bytes]:
    """A maker of files of a format that EXIF turns; in AVIF the container turns them, as its rules want."""
    return lambda kind, index: saved(some_scene(kind, index), format, {"exif": exif(turn_of(index))})


def xmp_alone(kind: str, index: int) -> bytes:
    """An orientation that stands in XMP and nowhere else."""
    format, turn = FORMATS[index % len(FORMATS)], turn_of(index)
    options: Options = {"pnginfo": xmp_of_png(turn)} if format == "PNG" else {"xmp": xmp(turn)}
    return saved(some_scene(kind, index), format, options)


def at_odds(kind: str, index: int) -> bytes:
    """EXIF says one thing and XMP another."""
    options = {"exif": exif(turn_of(index)), "xmp": xmp(turn_of(index + 1))}
    return saved(some_scene(kind, index), ("JPEG", "WEBP", "AVIF")[index % 3], options)


def grey(kind: str, index: int) -> bytes:
    """One channel of eight bits, or of one."""
    image = Image.fromarray(some_scene(kind, index))
    if index % 4 == 3:
        return saved(image.convert("1"), "PNG")
    return saved(image.convert("L"), ("JPEG", "PNG", "GIF")[index % 4])


def palette(kind: str, index: int) -> bytes:
    """Palettes of 2 to 256 colours, some with a colour that lets the ground through."""
    image = Image.fromarray(some_scene(kind, index)).quantize((256, 16, 4, 2)[index % 4])
    options = {"transparency": 1} if index % 3 == 2 else {}
    return saved(image, ("PNG", "GIF")[index % 2], options)


def alpha(kind: str, index: int) -> bytes:
    """Transparent in part: a slope, a hole, noise."""
    image = some_scene(kind, index)
    height, width = image.shape[:2]
    slope = np.linspace(0, 255, width)[None].repeat(height, 0).astype(np.uint8)
    hole = np.full((height, width), 255, np.uint8)
    hole[height // 4 : height // 2, width // 4 : width // 2] = 0
    noise = np.random.default_rng(index).integers(0, 256, (height, width)).astype(np.uint8)
    whole = Image.fromarray(np.dstack([image, (slope, hole, noise)[index % 3]]))
    match index % 5:
        case 0:
            return saved(whole, "AVIF")
        case 1:
            return saved(whole, "WEBP", {"lossless": True})
        case 2:
            return saved(whole, "PNG")
        case 3:
            return saved(whole.convert("LA"), "PNG")
        case _:
            return saved(whole, "WEBP")


def profile(kind: str, index: int) -> bytes:
    """Colours told in a colour space of the file's own: red and green have changed places."""
    swapped = some_scene(kind, index)[:, :, [1, 0, 2]]
    return saved(swapped, ("JPEG", "PNG", "WEBP")[index % 3], {"icc_profile": swapped_profile()})


def swapped_profile() -> bytes:
    """sRGB with the primaries of red and green exchanged, under a name of its own."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for known, other in (("sRGB", "wide"),):
        data[:] = data.replace(known.encode("utf-16-be"), other.encode("utf-16-be"))
        data[:] = data.replace(known.encode(), other.encode())
    count = int.from_bytes(data[128:132], "big")
    places = {bytes(data[place : place + 4]): place + 4 for place in range(132, 132 + 12 * count, 12)}
    red, green = (slice(places[name], places[name] + 8) for name in (b"rXYZ", b"gXYZ"))
    data[red], data[green] = data[green], data[red]
    return bytes(data)


def progressive(kind: str, index: int) -> bytes:
    """Coded in several scans."""
    options = {"progressive": True, "quality": QUALITIES[index % 4], "subsampling": index % 3}
    return saved(some_scene(kind, index), "JPEG", options)


def coded(kind: str, index: int) -> bytes:
    """Qualities and samplings of colour, restart marks, and components that are RGB as they stand."""
    options: dict[str, object] = {"quality": QUALITIES[index % 4], "subsampling": index // 4 % 3}
    if index % 5 == 4:
        options |= {"restart_marker_rows": 1}
    if index % 7 == 6:
        options = {"quality": 90, "keep_rgb": True}
    return saved(some_scene(kind, index), "JPEG", options)


def animated(kind: str, index: int) -> bytes:
    """Two frames; the first counts."""
    frames = [Image.fromarray(some_scene(kind, index + 500 * number, (96, 128))) for number in (0, 1)]
    return saved(frames[0], ("GIF", "WEBP", "PNG", "AVIF")[index % 4], {"save_all": True, "append_images": frames[1:]})


def large(kind: str, index: int) -> bytes:
    """Twelve megapixels, as a phone takes them, upright or not."""
    height, width = TWELVE_MEGAPIXELS
    image = Image.fromarray(some_scene(kind, index, (height // 4, width // 4))).resize((width, height))
    format = ("JPEG", "JPEG", "JPEG", "WEBP")[index % 4]
    options = {"exif": exif((1, 6, 3, 8)[index // 2 % 4])}
    return saved(image, format, {**options, "method": 0} if format == "WEBP" else options)


def small(kind: str, index: int) -> bytes:
    """One pixel, one row, one column, and little more."""
    size = ((1, 1), (1, 300), (300, 1), (2, 3), (7, 5), (16, 17))[index % 6]
    return saved(some_scene(kind, index, size), ("PNG", "JPEG", "WEBP", "GIF")[index // 2 % 4])


def four_inks(kind: str, index: int) -> bytes:
    """CMYK in JPEG and TIFF."""
    return saved(Image.fromarray(some_scene(kind, index)).convert("CMYK"), ("JPEG", "TIFF")[index % 2])


def sixteen_bits(kind: str, index: int) -> bytes:
    """16 bits a sample: grey and colour PNG, grey TIFF."""
    image = some_scene(kind, index)
    if index % 3 == 0:
        return png_of_16_bits(image.astype(np.uint16) * 257 + index)
    return saved(Image.fromarray(image[:, :, 1].astype(np.uint16) * 257), ("PNG", "TIFF")[index % 3 - 1])


def png_of_16_bits(samples: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> bytes:
    """A PNG of (height, width, 3) samples; Pillow writes none."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def elsewhere(kind: str, index: int) -> bytes:
    """Formats that browsers do not read, or not all of them."""
    return saved(some_scene(kind, index), ("TIFF", "BMP", "PPM")[index % 3])


def photograph(kind: str, index: int) -> bytes:
    """Photographs in the page's four coded formats."""
    options = {"quality": QUALITIES[index // 4 % 4]} if FORMATS[index % 4] != "PNG" else {}
    return saved(some_scene(kind, index), FORMATS[index % 4], options)


# kind: (how many, maker of an index's file, whether the page's own formats hold it)
KINDS: Mapping[str, tuple[int, Callable[[str, int], bytes], bool]] = {
    "JPEG turned by EXIF": (40, with_exif("JPEG"), True),
    "WebP turned by EXIF": (40, with_exif("WEBP"), True),
    "PNG turned by EXIF": (16, with_exif("PNG"), True),
    "AVIF turned": (16, with_exif("AVIF"), True),
    "orientation in XMP alone": (48, xmp_alone, True),
    "EXIF and XMP at odds": (24, at_odds, True),
    "grey": (24, grey, True),
    "palette": (24, palette, True),
    "alpha": (30, alpha, True),
    "colour profile": (12, profile, True),
    "progressive JPEG": (24, progressive, True),
    "baseline JPEG": (42, coded, True),
    "animated": (20, animated, True),
    "12 megapixels": (8, large, True),
    "1×1 and thin": (24, small, True),
    "CMYK": (12, four_inks, False),
    "16 bits": (12, sixteen_bits, False),
    "TIFF, BMP, PNM": (12, elsewhere, False),
    "photographs": (72, photograph, True),
}


def make_samples(most: int | None = None, kinds: tuple[str, ...] = tuple(KINDS)) -> list[Sample]:
    """The images, the same every time; of each kind at most so many."""
    return [
        Sample(f"{list(KINDS).index(kind):02}-{index:03}", kind, make(kind, index), in_browser)
        for kind, (count, make, in_browser) in KINDS.items()
        if kind in kinds
        for index in range(count if most is None else min(most, count))
    ]


def read_real(folder: Path, most: int | None = None) -> list[Sample]:
    """Photographs as they lie in archives of the data folder; of each archive at most so many, evenly spaced."""
    count, found = min(most or REAL, REAL), []
    for name in ARCHIVES:
        if not (folder / name).is_file():
            continue
        with zipfile.ZipFile(folder / name) as archive:
            paths = sorted(one for one in archive.namelist() if one.lower().endswith((".jpg", ".jpeg", ".png")))
            for index, path in enumerate(paths[:: max(1, len(paths) // count)][:count]):
                found.append(Sample(f"{name.removesuffix('.zip')}-{index:03}", "real photographs", archive.read(path)))
    return found
