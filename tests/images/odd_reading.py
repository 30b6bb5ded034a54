"""What no reading and no measure should do, by the bytes of a file; in a module, so that worker processes find it."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.draw import draw, encoded
from vidi.images.decode import DecodeJob, ReadImage, read_one


def read_oddly(data: bytes, job: DecodeJob) -> ReadImage:
    """As `read_one`, but some files kill the process, hang it, put it to sleep, take its memory or raise."""
    if data == b"kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif data == b"exit":
        os._exit(7)
    elif data == b"hang":
        while True:
            pass
    elif data == b"sleep":
        signal.pause()
    elif data == b"memory":
        return read_one(encoded(draw("disc")) + b"#memory", replace(job, measure=measure_oddly))
    elif data == b"fault":
        raise KeyError("of the program")
    elif data == b"handles":
        names = [f"{handle} {os.readlink(f'/proc/self/fd/{handle}')}" for handle in list_handles()]
        return ReadImage(notes=tuple(names))
    elif data == b"print":
        os.write(1, b"from C")
        os.write(2, b"from C")
    return read_one(data, job)


def measure_oddly(data: bytes, image: np.ndarray) -> np.ndarray:
    """(3,) float64, the mean colour; but some files, by what stands behind their image, do as in `read_oddly`."""
    kind, _, mark = data.rpartition(b"#")[2].decode("latin-1").partition(":")
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "once" and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "hang":
        while True:
            pass
    elif kind == "sleep":
        signal.pause()
    elif kind == "memory":
        bytes(4 << 30)
    elif kind == "fault":
        raise KeyError("of the program")
    return mean_colour(data, image)


def mean_colour(data: bytes, image: np.ndarray) -> np.ndarray:
    """(3,) float64."""
    return image.reshape(-1, 3).mean(axis=0)


def list_handles() -> list[str]:
    """The numbers of this process's open files, without the folder in which they are looked up."""
    return [handle for handle in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{handle}")]


class NeverUnpacked:
    """A function that a worker cannot find."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return sys.exit, (3,)

    def __call__(self, data: bytes, job: DecodeJob) -> ReadImage:
        return read_one(data, job)
