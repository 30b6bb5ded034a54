"""How an image of any size becomes the network's size; the host's fast equal of what the graph does."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """The stated rule by which images of any size become one size."""

    size: tuple[int, int]  # (height, width) of what the network sees, pixels
    mode: Literal["stretch", "pad", "crop"] = "pad"
    shrink_to: tuple[int, int] | None = None  # (height, width): the training images' usual size, if smaller
