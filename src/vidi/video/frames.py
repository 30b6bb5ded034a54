"""What a source of moving images gives: frames with their times, and what happens to the source itself."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One image of a source, and when it was."""

    image: NDArray[np.uint8]  # (height, width, 3), RGB, upright: a rotation that the file asks for is done
    seconds: float  # since the first frame: a file's own timestamps; of a stream the time of arrival, by a steady clock
    number: int  # from 0; counts all frames of the source, those that were left out too


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """What happened to a source: a camera is gone or back, or a file is damaged."""

    kind: Literal["offline", "online", "damaged"]
    seconds: float  # as a frame's; 0 before the first frame
    reason: str  # one plain sentence without a full stop; holds no password
