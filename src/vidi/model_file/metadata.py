"""What a model file says about itself, as frozen values that are checked when they are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ModelError
from vidi.images.framing import Framing
from vidi.metrics.outputs import SIGMOID, SOFTMAX, Outputs
from vidi.model_file.digests import is_digest
from vidi.model_file.drift_reference import DriftReference
from vidi.model_file.learned_from import DigestFilter
from vidi.model_file.limits import ALL_CLASSES, OperatingPoints, Refuted, Verdict, VerdictLimits
from vidi.model_file.values import BESIDE, NEED

MAXIMUM_SIDE = 8_192  # pixels; no network of ours comes near, and a larger one would only eat memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """What is taken off and divided by, for each of red, green and blue, on the scale 0 to 255."""

    mean: tuple[float, float, float] = field(default=(127.5, 127.5, 127.5), metadata=NEED)
    standard_deviation: tuple[float, float, float] = field(default=(127.5, 127.5, 127.5), metadata=NEED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The affine step between logits and softmax: logits * scale + shift, or a matrix in place of the scale."""

    method: str = field(default="temperature", metadata=NEED)  # how the numbers were found
    # One for all classes (1 / temperature), one for each, or a matrix row by row.
    scale: tuple[float, ...] = field(default=(1.0,), metadata=NEED)
    shift: tuple[float, ...] = field(default=(0.0,), metadata=NEED)  # one for all classes, or one for each
    image_count: int = field(default=0, metadata=NEED)  # images it was fitted on
    # Calibration error before and after, and the like.
    figures: Mapping[str, Any] = field(default_factory=dict, metadata=NEED)

    @property
    def temperature(self) -> float:
        """What the logits are divided by, where one number serves all classes.

        >>> Calibration(scale=(0.5,)).temperature
        2.0
        """
        (scale,) = self.scale
        return 1 / scale

    def matrix(self, class_count: int) -> NDArray[np.float64] | None:
        """(classes, classes) float64: what the logits are multiplied by; None where each is scaled by itself.

        >>> Calibration(scale=(1.0, 0.0, 0.5, 2.0)).matrix(2).tolist()
        [[1.0, 0.0], [0.5, 2.0]]
        """
        if len(self.scale) != class_count * class_count:
            return None
        return np.array(self.scale).reshape(class_count, class_count)

    def apply(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """The calibrated logits (batch, classes), as the model file's graph computes them."""
        matrix = self.matrix(logits.shape[1])
        scaled = logits * np.array(self.scale) if matrix is None else logits @ matrix.T
        return np.asarray(scaled + np.array(self.shift), np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a model comes from."""

    network: str = field(default="", metadata=NEED)  # the architecture's name
    run: str = field(default="", metadata=NEED)  # the run's name: the model's version
    date: str = field(default="", metadata=NEED)  # ISO 8601, UTC
    author: str = field(default="", metadata=NEED)
    description: str = field(default="", metadata=NEED)
    license: str = field(default="", metadata=NEED)  # SPDX name or a sentence
    # License of the starting weights; None where training began from nothing.
    weights_license: str | None = field(default=None, metadata=NEED)
    # Fingerprint of the data: digests and counts, never a file's name.
    data: Mapping[str, Any] | None = field(default=None, metadata=NEED)
    recipe: Mapping[str, Any] | None = field(default=None, metadata=NEED)
    library_versions: Mapping[str, Any] | None = field(default=None, metadata=NEED)
    learned_from: tuple[DigestFilter, ...] | None = None  # files for training and validation; None if not stated
    derived_from: str | None = None  # `weights_digest` of the file that this one was made of; None: of no other

    def __post_init__(self) -> None:
        if self.derived_from is not None and not is_digest(self.derived_from):
            raise ModelError(
                f"the model is derived from {self.derived_from[:80]!r}",
                "Name the `weights_digest` of the other file: 64 hex digits.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenVector:
    """A drawn tiny image and the answer the file gave when it was written, so that any host can check itself."""

    image: str  # base64 of height * width * 3 bytes, row by row, RGB
    size: tuple[int, int]  # (height, width), pixels
    probabilities: tuple[float, ...]
    novelty: float | None = None  # None if the file has no such output, or an older vidi did not ask
    verdict: Verdict | None = None  # None if there is none, or it lies so near a limit that hosts may differ
    candidates: tuple[int, ...] | None = None  # indexes into the classes; None as for the verdict

    def __post_init__(self) -> None:
        if not all(0 <= index < len(self.probabilities) for index in self.candidates or ()):
            raise ValueError(f"golden candidates should be indexes of classes, not {self.candidates}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenTolerance:
    """How far another host's answers may lie from the golden ones."""

    # Processors add in different orders, and fp32 logits then differ by a few 1e-6.
    probability: float = field(default=1e-4, metadata=NEED)
    # Share of the golden novelty, or of 1 where that is less: it is a difference of large sums.
    novelty: float = field(default=1e-3, metadata=NEED)

    def __post_init__(self) -> None:
        if not (0 < self.probability < 1 and 0 < self.novelty < 1):
            raise ModelError(
                f"the golden vectors' tolerance is {self.probability} of a probability and {self.novelty} of a novelty",
                "Both must lie between 0 and 1.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetadata:
    """Everything a model file knows beside its weights. `None` means: not known, or not yet measured."""

    classes: tuple[str, ...]
    framing: Framing
    multi_label: bool = False  # an image may show several classes, or none: sigmoid in place of softmax
    normalisation: Normalisation = field(default_factory=Normalisation, metadata=NEED)
    provenance: Provenance = field(default_factory=Provenance, metadata=BESIDE)
    # Why it is not a finished model: the run was cut before calibration and test.
    unfinished: str | None = field(default=None, metadata=NEED)
    calibration: Calibration | None = field(default=None, metadata=NEED)
    test: Mapping[str, Any] | None = field(default=None, metadata=NEED)  # test figures with their intervals
    # Limits for sure, unsure, unknown, and for candidates.
    verdict: VerdictLimits | None = field(default=None, metadata=NEED)
    # Thresholds or costs that decide for a class.
    operating_points: OperatingPoints | None = field(default=None, metadata=NEED)
    # What later traffic is compared with.
    drift_reference: DriftReference | None = field(default=None, metadata=NEED)
    refuted: Refuted | None = None  # guarantees that its own test refutes; None: none, or not tested
    # SHA-256 of the trained tensors; filled in by `write_model`.
    weights_digest: str = field(default="", metadata=NEED)
    golden: tuple[GoldenVector, ...] = field(default=(), metadata=NEED)  # filled in by `write_model`
    golden_tolerance: GoldenTolerance = field(default_factory=GoldenTolerance)  # of other hosts' answers

    @property
    def outputs(self) -> Outputs:
        """What stands at the end of the graph: one probability shared by the classes, or one for each by itself."""
        return SIGMOID if self.multi_label else SOFTMAX

    @property
    def known_digests(self) -> frozenset[str]:
        """Of the weights whose embeddings are this file's own: its weights, and those that they were made of."""
        return frozenset(digest for digest in (self.weights_digest, self.provenance.derived_from) if digest)

    def __post_init__(self) -> None:
        _check_classes(self.classes)
        _check_framing(self.framing)
        _check_normalisation(self.normalisation)
        if self.calibration is not None:
            _check_calibration(self.calibration, len(self.classes))
        if self.verdict is not None and self.multi_label != (self.verdict.ranking == ALL_CLASSES):
            raise ModelError(
                f"the verdict's ranking is {self.verdict.ranking!r}, which is not that of such a model",
                f"Answers that may name several classes are ranked by {ALL_CLASSES!r}, others are not.",
            )
        if self.operating_points is not None:
            self.operating_points.check_classes(self.classes)
        if self.drift_reference is not None and len(self.drift_reference.classes) != len(self.classes):
            raise ModelError(
                f"the drift reference is about {len(self.drift_reference.classes)} classes",
                f"Make it for the model's {len(self.classes)}: `vidi calibrate MODEL DATA -o NEW`.",
            )
        if self.unfinished is not None and (self.calibration or self.test or self.verdict or self.operating_points):
            raise ModelError(
                "an unfinished model cannot carry calibration, test figures, verdict limits or operating points",
                "Leave them None, or leave `unfinished` None.",
            )


def _check_classes(classes: tuple[str, ...]) -> None:
    """Refuse a list of classes that no answer could be read from."""
    if len(classes) < 2:
        raise ModelError(f"the model has {len(classes)} classes", "A classifier needs two or more.")
    if len(set(classes)) != len(classes) or not all(classes):
        raise ModelError(
            "the list of classes holds an empty name or the same name twice", "Give each class its own name."
        )


def _check_framing(framing: Framing) -> None:
    """Refuse sizes that no network of ours has."""
    sides = (*framing.size, *(framing.shrink_to or ()))
    if not all(1 <= side <= MAXIMUM_SIDE for side in sides):
        raise ModelError(
            f"the model's image size is {framing.size}, shrunk to {framing.shrink_to}",
            f"Each side must be between 1 and {MAXIMUM_SIDE:,} pixels.",
        )
    if framing.mode not in ("stretch", "pad", "crop"):
        raise ModelError(f"the model's framing is {framing.mode!r}", "It must be stretch, pad or crop.")


def _check_normalisation(normalisation: Normalisation) -> None:
    """Refuse a division by zero."""
    if len(normalisation.mean) != 3 or len(normalisation.standard_deviation) != 3:
        raise ModelError("the normalisation does not have three channels", "Give red, green and blue.")
    if not all(value > 0 for value in normalisation.standard_deviation):
        raise ModelError(
            f"a standard deviation is not above zero: {normalisation.standard_deviation}",
            "Measure it again on images that are not all of one colour, or use 1.",
        )


def _check_calibration(calibration: Calibration, class_count: int) -> None:
    """Refuse a calibration that does not fit the classes."""
    fits = len(calibration.scale) in (1, class_count, class_count**2) and len(calibration.shift) in (1, class_count)
    is_matrix = len(calibration.scale) == class_count**2
    if not fits or not (is_matrix or all(scale > 0 for scale in calibration.scale)):
        raise ModelError(
            f"the calibration has {len(calibration.scale)} scales and {len(calibration.shift)} shifts "
            f"for {class_count} classes",
            "Give one positive scale and one shift, one of each for every class, or a matrix row by row.",
        )
