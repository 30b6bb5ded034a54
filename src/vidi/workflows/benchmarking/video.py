"""How many frames of a video a model keeps up with: decoded, framed and answered one by one, as they would come."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.errors import DataError, UsageError
from vidi.prediction.timing import take_turns
from vidi.video.frames import Frame
from vidi.video.sources import VideoSource, parse_source, watch_source
from vidi.workflows.benchmarking.subjects import Subject

ROUNDS = 3
TIMED_FRAMES = 100  # at the beginning of the file, by which its own rate is known


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSpeed:
    """A video's own rate, and each subject's."""

    source: str
    frames_per_second: float  # of the file, by its timestamps
    answered_per_second: dict[str, float]  # frames, by the subject's key


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchVideo:
    """A video file, and how many of its frames come in a second."""

    source: VideoSource
    frames_per_second: float


def find_video(text: str) -> BenchVideo:
    """A video file that can be read.

    Raises:
        UsageError: it is no file.
        MissingPackageError: the extra `video` is not installed.
        DataError: the file cannot be read as video, or has one frame.
    """
    source = parse_source(text)
    if source.is_live:
        raise UsageError(f"--video {source.name} is no video file", "Record a minute of it, and name the file.")
    return BenchVideo(source=source, frames_per_second=_own_rate(source))


def measure_video(
    subjects: Sequence[Subject], video: BenchVideo, *, seconds: float, turn: Callable[[], object]
) -> VideoSpeed:
    """Let each subject answer frames of a video file in turn, on one thread, from the first again after the last.

    Args:
        subjects: take turns.
        video: the file.
        seconds: that all of it takes, about.
        turn: is called after each turn, several times as many as subjects.
    """
    stop = threading.Event()
    frames = {one.key: _again_and_again(video.source, stop) for one in subjects}
    try:
        timed = take_turns(
            {one.key: _answering(one, frames[one.key]) for one in subjects},
            rounds=ROUNDS,
            seconds=seconds / (ROUNDS * len(subjects)),
            turn=turn,
        )
    finally:
        stop.set()
    return VideoSpeed(
        source=video.source.name,
        frames_per_second=video.frames_per_second,
        answered_per_second={name: found.rate for name, found in timed.items()},
    )


def _answering(subject: Subject, frames: Iterator[NDArray[np.uint8]]) -> Callable[[], object]:
    return lambda: subject.predictor.predict([next(frames)])


def _again_and_again(source: VideoSource, stop: threading.Event) -> Iterator[NDArray[np.uint8]]:
    while True:
        yield from (one.image for one in watch_source(source, stop) if isinstance(one, Frame))


def _own_rate(source: VideoSource) -> float:
    """Frames per second of a file, by the timestamps of its first frames."""
    stop = threading.Event()
    times = []
    for one in watch_source(source, stop):
        if isinstance(one, Frame):
            times.append(one.seconds)
        if len(times) > TIMED_FRAMES:
            stop.set()
            break
    if len(times) < 2 or times[-1] <= times[0]:
        raise DataError(f"{source.name} has no two frames at different times", "Name a longer video.")
    return (len(times) - 1) / (times[-1] - times[0])
