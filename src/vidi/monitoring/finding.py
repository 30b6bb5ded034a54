"""What a search for drift found: an alarm or none, since when, what changed, and which images show it most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

DriftKind = Literal["embeddings", "novelty", "confidence", "verdicts", "classes", "qualities"]
DriftState = Literal["too few", "quiet", "alarm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aspect:
    """One quantity that is compared: `sharpness`, the share of a class or of a verdict, the confidence, the embeddings.

    Qualities and the confidence are medians, classes and verdicts are shares of the answers. Embeddings are the
    distance of the mean embedding from the reference's, in standard deviations of the reference. Novelty without a name
    is the share of images that are stranger than 95 % of the reference's; `embeddings` of novelty are the embeddings of
    the strangest fifth alone.
    """

    kind: DriftKind
    name: str | None = None  # of a quality or a verdict; "embeddings", of the strangest images
    class_index: int | None = None  # in the model's order


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftChange:
    """How one aspect of the images since the change differs from the reference."""

    aspect: Aspect
    before: float  # in the reference
    after: float  # in the part of the stream that shows it most surely
    p_value: float  # smallest false-alarm rate at which this aspect alone had raised the alarm, at most 1
    # quartiles where `before` and `after` are medians: a change of spread shows there
    before_quartiles: tuple[float, float] | None = None
    after_quartiles: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DriftCurve:
    """One aspect over the stream, in consecutive parts of it; for display only, the alarm does not rest on it."""

    aspect: Aspect
    until: NDArray[np.int64]  # (parts,) row of the traffic after the last image of each part
    values: NDArray[np.float64]  # (parts,)
    usual: float  # in the reference


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DriftFinding:
    """The answer to whether what comes in has changed. Rows are rows of the traffic, from 0."""

    state: DriftState  # "too few" under 50 images
    rate: float  # at most this share of undisturbed streams ever raises the alarm, however often one looks
    image_count: int  # different images; a file that came several times counts once
    alarmed_at: int | None = None  # row of the image with which the alarm was first raised
    began: int | None = None  # row from which the images that speak most for a change come; None without an alarm
    p_value: float = 1.0  # smallest rate at which the alarm had been raised by now, at most 1
    # the same by kind; a kind that the model's reference lacks is not there
    evidence: Mapping[DriftKind, float] = field(default_factory=dict)
    changes: Sequence[DriftChange] = ()  # what is shown beyond chance (p_value ≤ rate), most certain first
    curves: Sequence[DriftCurve] = ()
    loudest: NDArray[np.int64] | None = None  # rows of the images that show the change most, loudest first

    @property
    def is_alarm(self) -> bool:
        """Whether the alarm has been raised, now or earlier in the stream."""
        return self.state == "alarm"
