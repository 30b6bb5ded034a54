"""From an opened source to its pictures: packets that cannot be decoded are passed over and reported."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ImageError
from vidi.images.formats.jpeg import read_jpeg
from vidi.video.opening import Opened, in_words, too_many_pixels

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.video.stream import VideoStream

MISSING_SECONDS: Final = 0.5  # a file whose images end so much before the time that it states was cut
MATRIX_BYTES: Final = 36  # nine 32-bit integers: a b u, c d v, x y w


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Something that could not be decoded."""

    reason: str


def read_pictures(opened: Opened) -> Iterator["VideoFrame | Damage"]:
    """The pictures of a source, in the order in which they are shown; damage where it is met.

    What comes before the first whole picture is passed over: a stream is joined in its middle.

    Raises:
        DataError: its images have too many pixels.
    """
    import av

    stream, is_joined, last_seconds = opened.stream, False, 0.0
    try:
        for packet in opened.container.demux(stream):
            opened.note_image()
            if packet.pts is not None and packet.time_base:
                last_seconds = max(last_seconds, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            try:
                pictures = packet.decode()
            except av.FFmpegError as error:
                _check_pixels(packet, opened)
                if is_joined:
                    yield Damage(reason=f"some of it cannot be decoded: {in_words(error)}")
                continue
            whole = [picture for picture in pictures if not picture.is_corrupt]
            is_joined = is_joined or bool(whole)
            if is_joined and (packet.is_corrupt or len(whole) < len(pictures)):
                yield Damage(reason="some of its images are incomplete")
            yield from whole
    except (av.FFmpegError, OSError) as error:
        yield Damage(reason=f"it cannot be read further: {in_words(error)}")
        return
    if (stated := _stated_end(opened)) is not None and stated - last_seconds > MISSING_SECONDS:
        yield Damage(reason=f"its images end at {last_seconds:.1f} s of the {stated:.1f} s that it states")


def _check_pixels(packet: "Packet[VideoStream]", opened: Opened) -> None:
    """Raise where a JPEG was not decoded for its number of pixels: FFmpeg does not say so."""
    if opened.stream.codec_context.name != "mjpeg":
        return
    try:
        header = read_jpeg(bytes(packet), opened.limits)
    except ImageError:
        return
    if header.pixel_count > opened.limits.pixels:
        raise too_many_pixels(header.stored_size[1], header.stored_size[0], opened.limits)


def _stated_end(opened: Opened) -> float | None:
    """When the images end by what the file states, on the clock of its timestamps; None: it does not say."""
    stream = opened.stream
    if stream.duration is not None and stream.time_base:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    if opened.container.duration is None or len(opened.container.streams) > 1:
        return None
    return ((opened.container.start_time or 0) + opened.container.duration) / 1e6


def pixels_of(picture: "VideoFrame") -> NDArray[np.uint8]:
    """A decoded picture as (height, width, 3) uint8, RGB, upright."""
    image = np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)
    from av.sidedata.sidedata import SideData

    matrix = picture.side_data.get("DISPLAYMATRIX")
    return make_upright(image, bytes(matrix) if isinstance(matrix, SideData) else None)


def quarter_turns(matrix: bytes | None) -> tuple[int, bool]:
    """How a stored frame is made upright: mirrored first, left to right, or not; then turned.

    A display matrix takes a stored pixel (x, y), y downward, to (a x + c y, b x + d y). Cameras write quarter turns and
    mirrors; any other matrix leaves the frame as it is stored.

    Args:
        matrix: as FFmpeg gives it, nine 32-bit integers in this machine's order of bytes; None: the file has none.

    Returns:
        Quarter turns clockwise, 0 to 3, and whether the frame is mirrored before them.

    >>> identity, quarter = [1, 0, 0, 0, 1, 0, 0, 0, 1], [0, 1, 0, -1, 0, 0, 0, 0, 1]
    >>> quarter_turns(np.array(identity, np.int32).tobytes()), quarter_turns(np.array(quarter, np.int32).tobytes())
    ((0, False), (1, False))
    """
    if matrix is None or len(matrix) < MATRIX_BYTES:
        return 0, False
    a, b, _, c, d = (int(value) for value in np.sign(np.frombuffer(matrix[:MATRIX_BYTES], np.int32)[:5]))
    turns = {(1, 0): 0, (0, 1): 1, (-1, 0): 2, (0, -1): 3}.get((d, -c))  # where the stored downward edge points to
    if turns is None or abs(a * d - b * c) != 1:
        return 0, False
    return turns, a * d - b * c < 0


def make_upright(image: NDArray[np.uint8], matrix: bytes | None) -> NDArray[np.uint8]:
    """A frame as it is meant to be seen.

    Args:
        image: (height, width, 3) uint8, as stored.
    """
    turns, is_mirrored = quarter_turns(matrix)
    if not turns and not is_mirrored:
        return image
    shown = image[:, ::-1] if is_mirrored else image
    return np.ascontiguousarray(np.rot90(shown, -turns))
