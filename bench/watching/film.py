"""Makes a video file of a script."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.watching.scenario import FRAMES_A_SECOND, Script, Showing

SCALE = 1.08  # images are enlarged so much beyond the video, and drift within
FADE_SECONDS = 0.12
FLICKER, NOISE = 0.05, 4.0  # of the brightness; grey levels
Pixels = NDArray[np.uint8]
Size = tuple[int, int]  # height, width


def write_film(
    path: Path, script: Script, shown: Sequence[Pixels], others: Sequence[Pixels], *, size: Size, seed: int
) -> None:
    """Write the video as H.264 in MP4.

    Args:
        path: of the file.
        script: what is shown.
        shown: images of the class, (height, width, 3) uint8.
        others: of other things.
        size: (height, width) of the video.
        seed: of drift, flicker and noise.
    """
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=FRAMES_A_SECOND, options={"crf": "23", "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = Fraction(1, FRAMES_A_SECOND)
        for image in frames_of(script, shown, others, size=size, seed=seed):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode())


def frames_of(
    script: Script, shown: Sequence[Pixels], others: Sequence[Pixels], *, size: Size, seed: int
) -> Iterator[Pixels]:
    """The frames of a script, (height, width, 3) uint8."""
    random = np.random.default_rng(seed)
    kinds = {True: shown, False: others}
    prepared = {one: _enlarged(kinds[one.is_class][one.image], size) for one in (*script.showings, *script.flashes)}
    paths = {one: random.uniform(0, 1, (2, 2)) for one in prepared}
    for number in range(int(script.seconds * FRAMES_A_SECOND)):
        now = number / FRAMES_A_SECOND
        flash = next((one for one in script.flashes if one.began <= now < one.ended), None)
        index = next(place for place, one in enumerate(script.showings) if now < one.ended)
        one = script.showings[index]
        frame = _drifting(prepared[flash or one], paths[flash or one], flash or one, now, size)
        if flash is None and index and now - one.began < FADE_SECONDS:
            before = script.showings[index - 1]
            share = (now - one.began) / FADE_SECONDS
            frame = share * frame + (1 - share) * _drifting(prepared[before], paths[before], before, now, size)
        frame = frame * (1 + random.uniform(-FLICKER, FLICKER)) + random.normal(0, NOISE, frame.shape)
        yield np.clip(np.rint(frame), 0, 255).astype(np.uint8)


def _enlarged(image: Pixels, size: Size) -> NDArray[np.float32]:
    height, width = (round(side * SCALE) for side in size)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC), np.float32)


def _drifting(
    image: NDArray[np.float32], path: NDArray[np.float64], one: Showing, now: float, size: Size
) -> NDArray[np.float32]:
    share = min(1.0, max(0.0, (now - one.began) / (one.ended - one.began)))
    place = (1 - share) * path[0] + share * path[1]
    top = round(place[0] * (image.shape[0] - size[0]))
    left = round(place[1] * (image.shape[1] - size[1]))
    return image[top : top + size[0], left : left + size[1]]
