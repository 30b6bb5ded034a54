"""Stores that do what no store should, and measures; in a module, so that worker processes find them."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.draw import draw, encoded


@dataclass(frozen=True)
class OddStore:
    """Drawn images, but some names kill the process, hang it, take its memory or raise."""

    marks: Path  # a folder in which is written down what has happened

    def read(self, path: str) -> bytes:
        kind = path.partition("-")[0]
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif kind == "once" and not (self.marks / path).exists():
            (self.marks / path).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        elif kind == "hang":
            while True:
                pass
        elif kind == "memory":
            return bytes(4 << 30)
        elif kind == "fault":
            raise KeyError(path)
        return encoded(draw("disc", seed=int(path.partition("-")[2])))


def mean_colour(data: bytes, image: np.ndarray) -> np.ndarray:
    """(3,) float64."""
    return image.reshape(-1, 3).mean(axis=0)
