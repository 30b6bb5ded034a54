"""The formats that are read, and what is done with each before its decoder gets the bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vidi.images.formats import gif, header_only, jpeg, png, tiff, webp
from vidi.images.formats.header import Header
from vidi.images.limits import Limits


def _as_it_is(data: bytes, _header: Header) -> bytes:
    return data


def _no_profile(_data: bytes, _header: Header, _limits: Limits) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """What is done for one format before its decoder gets the bytes."""

    read: Callable[[bytes, Limits], Header]
    plugin: tuple[str, str]  # Pillow's module and class
    only_pixels: Callable[[bytes, Header], bytes] = _as_it_is
    profile: Callable[[bytes, Header, Limits], bytes | None] = _no_profile
    extensions: tuple[str, ...]
    bytes_per_pixel: int = 7  # at the peak of decoding: Pillow holds 4, the array 3


FORMATS: Mapping[str, Format] = {
    "JPEG": Format(
        read=jpeg.read_jpeg,
        plugin=("PIL.JpegImagePlugin", "JpegImageFile"),
        only_pixels=jpeg.only_pixels,
        profile=jpeg.profile,
        extensions=(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
    ),
    "PNG": Format(
        read=png.read_png,
        plugin=("PIL.PngImagePlugin", "PngImageFile"),
        only_pixels=png.only_pixels,
        profile=png.profile,
        extensions=(".png", ".apng"),
    ),
    "GIF": Format(
        read=gif.read_gif,
        plugin=("PIL.GifImagePlugin", "GifImageFile"),
        only_pixels=gif.only_pixels,
        extensions=(".gif",),
    ),
    "WebP": Format(
        read=webp.read_webp,
        plugin=("PIL.WebPImagePlugin", "WebPImageFile"),
        only_pixels=webp.only_pixels,
        profile=webp.profile,
        bytes_per_pixel=16,  # the frame, copies of it, and Pillow's image
        extensions=(".webp",),
    ),
    "BMP": Format(
        read=header_only.read_bmp, plugin=("PIL.BmpImagePlugin", "BmpImageFile"), extensions=(".bmp", ".dib")
    ),
    "TIFF": Format(
        read=tiff.read_tiff,
        plugin=("PIL.TiffImagePlugin", "TiffImageFile"),
        only_pixels=tiff.only_pixels,
        profile=tiff.profile,
        extensions=(".tif", ".tiff"),
    ),
    "PNM": Format(
        read=header_only.read_pnm,
        plugin=("PIL.PpmImagePlugin", "PpmImageFile"),
        extensions=(".ppm", ".pgm", ".pbm", ".pnm"),
    ),
    "AVIF": Format(
        read=header_only.read_avif,
        plugin=("PIL.AvifImagePlugin", "AvifImageFile"),
        extensions=(".avif", ".avifs"),
        bytes_per_pixel=16,
    ),
    "HEIC": Format(  # photographs of many phones; by pillow-heif, where it is installed
        read=header_only.read_heic,
        plugin=("pillow_heif", "HeifImageFile"),
        extensions=(".heic", ".heif", ".hif"),
        bytes_per_pixel=16,
    ),
}
