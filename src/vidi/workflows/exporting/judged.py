"""What was found out about a file in fewer bits, and whether it is as good as its parent."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vidi.errors import GateError, ModelError
from vidi.evaluation.answers import Answers
from vidi.evaluation.guarantees.refuted import refuted_on
from vidi.files import escape_path
from vidi.metrics.paired import PairedComparison, compare_paired, worse_by_chance
from vidi.model_file.decisions import judge
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.model_file.values import Json, rounded
from vidi.numbers import count_of, percent
from vidi.prediction.engines import open_graph, open_session, run_session
from vidi.prediction.timing import take_turns
from vidi.workflows.comparing import CompareResult

CHANCE = 0.05  # of refusing a file that is as good as its parent, by the sign test
MOST_UNSEEN = 15.0  # percentage points that may go unnoticed: the end of the 95 % interval of the loss
MAX_FUSED_SHARE = 0.02  # of other labels, where kernels of 8 bits and floating point run the same file
REMEDY = "Nothing was written. Use --to fp16, name more labelled images with --data, or allow more with --max-drop."
BATCH = 32
BATCHES = (1, BATCH)
ROUNDS, SECONDS = 5, 0.25  # of each file in each round


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Answers of two sessions about the same images."""

    image_count: int
    other_labels: float  # share of the images
    other_verdicts: float | None  # None where the files give no verdicts
    largest_difference: float  # of a probability
    mean_difference: float  # of the probability of the first one's label


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedModel:
    """A lighter file, and what was found out about it."""

    model: ModelFile
    parent: ModelFile
    compared: CompareResult  # B is the lighter file
    agreement: Agreement  # with the parent, on images that are not test images
    fused: Agreement | None  # the file's 8-bit kernels with floating point; None of 16 bits
    rates: Mapping[str, Mapping[int, float]]  # images per second on one core, by file and batch
    processor: str
    calibrated_on: int  # images; 0: the parent's calibration stays

    @property
    def size_share(self) -> float:
        """The file's bytes as a share of the parent's."""
        return len(self.model.data) / len(self.parent.data)

    @property
    def points_lost(self) -> float:
        """Accuracy lost on the test images, in percentage points; negative: gained."""
        return -100 * self.compared.comparison.overall.counts.difference

    @property
    def sentences(self) -> tuple[str, ...]:
        """Size, accuracy, agreement and speed, each a sentence."""
        counts = self.compared.comparison.overall.counts
        reach = f", 95 % interval {100 * counts.interval.low:+.1f} to {100 * counts.interval.high:+.1f}"
        parent, lighter = self.rates.values()
        faster = ", ".join(
            f"batch {size}: {rate:.0f} images/s, {rate / parent[size]:.2f} times as fast"
            for size, rate in lighter.items()
        )
        agreed = self.agreement
        verdicts = "" if agreed.other_verdicts is None else f", another verdict for {_tenths(agreed.other_verdicts)}"
        calibrated = (
            f"calibration, limits and novelty limit fitted again on {self.calibrated_on:,} images"
            if self.calibrated_on
            else "calibration and limits are the parent's, made from answers by other networks"
        )
        return (
            f"size: {percent(self.size_share)} of the parent's",
            f"accuracy: {_tenths(counts.second_accuracy)}, the parent's {_tenths(counts.first_accuracy)}, "
            f"on {counts.image_count:,} test images ({-self.points_lost:+.1f} points{reach})",
            _unseen_line(counts),
            f"agreement: another label for {_tenths(agreed.other_labels)}{verdicts} "
            f"of {agreed.image_count:,} other images; a probability differs by at most {agreed.largest_difference:.2f}",
            *(
                []
                if self.fused is None
                else [
                    f"kernels: those of 8 bits and floating point give another label for "
                    f"{_tenths(self.fused.other_labels)} of {self.fused.image_count:,} images"
                ]
            ),
            f"speed on one core ({self.processor}): {faster}",
            calibrated,
        )

    def as_json(self) -> dict[str, Json]:
        """Plain values for export.json."""
        return {
            "parent": {"id": self.parent.model_id, "bytes": len(self.parent.data)},
            "bytes": len(self.model.data),
            "size_share": rounded(self.size_share),
            "accuracy": self.compared.comparison.overall.as_json(),  # type: ignore[dict-item]
            "agreement": asdict(self.agreement),
            "fused_and_unfused": None if self.fused is None else asdict(self.fused),
            "images_per_second": {
                name: {str(size): rate for size, rate in rates.items()} for name, rates in self.rates.items()
            },
            "processor": self.processor,
            "calibrated_on": self.calibrated_on,
        }


def require_possible(parent: ModelFile) -> None:
    """Refuse a file that cannot be made lighter, before any work.

    Raises:
        ModelError: it is unfinished, or is such a file itself.
    """
    if parent.metadata.unfinished:
        raise ModelError(
            f"{escape_path(parent.path)} is unfinished: {parent.metadata.unfinished}",
            "Finish its training first: `vidi train --resume RUN --finish`.",
        )
    if parent.bits < 32:
        raise ModelError(
            f"{escape_path(parent.path)} is in {parent.bits} bits already", "Export the file that it was made of."
        )


def require_sound_kernels(fused: Agreement | None) -> None:
    """Refuse a file that fused kernels answer otherwise than its own arithmetic.

    Args:
        fused: both on the same images; None of a form without such kernels.

    Raises:
        GateError: as said.
    """
    if fused is not None and fused.other_labels > MAX_FUSED_SHARE:
        raise GateError(
            f"on this processor the kernels of 8 bits give another label than the same file in floating point for "
            f"{_tenths(fused.other_labels)} of {fused.image_count} images (allowed: {percent(MAX_FUSED_SHARE)})",
            "Nothing was written. Use --to fp16.",
        )


def require_guarantees(answers: Answers, model: ModelFile) -> None:
    """Refuse a file of which the test images refute what it promises.

    Raises:
        GateError: as said.
    """
    for one in refuted_on(answers, model.metadata)[:1]:
        raise GateError(
            f"the test images refute what the lighter file promises ({one.kind}: {_tenths(one.measured)} of "
            f"{one.image_count:,} images, promised {_tenths(one.guaranteed)})",
            "Nothing was written. Use --to fp16, or more calibration images.",
        )


def require_as_good(counts: PairedComparison, *, max_drop: float) -> None:
    """Refuse a file that loses more than is allowed, beyond chance, or that may lose far more unnoticed.

    Args:
        max_drop: percentage points.

    Raises:
        GateError: as said.
    """
    lost, allowed = counts.only_first - counts.only_second, max(MOST_UNSEEN, max_drop)
    points, is_shown = -100 * counts.difference, worse_by_chance(counts.groups_lost, counts.groups_won) <= CHANCE
    more = f"the lighter file gets {lost:,} more of {counts.image_count:,} test images wrong than its parent"
    if points > max_drop and is_shown:
        raise GateError(f"{more}, {points:.1f} points, which is more than chance (allowed: {max_drop:g})", REMEDY)
    if _unseen(counts) > allowed:
        raise GateError(f"{more}, and {_unseen_line(counts)} (allowed: {allowed:g})", REMEDY)


def require_enough(test_images: int, *, max_drop: float) -> None:
    """Refuse before any work where so few test images could not show that the file is as good.

    Raises:
        GateError: as said.
    """
    same = np.ones(test_images, np.bool_)
    counts, allowed = compare_paired(same, same), max(MOST_UNSEEN, max_drop)
    if counts is not None and _unseen(counts) > allowed:
        raise GateError(
            f"{_unseen_line(counts)}, even if the lighter file loses none of them (allowed: {allowed:g})",
            "Name more labelled images with --data, or allow more with --max-drop.",
        )


def _unseen(counts: PairedComparison) -> float:
    """Percentage points that the file may have lost: the end of the 95 % interval."""
    return -100 * counts.interval.low


def _unseen_line(counts: PairedComparison) -> str:
    images = count_of(counts.image_count, "test image")
    return f"with {images} a loss of up to {_unseen(counts):.1f} points could go unnoticed"


def _tenths(share: float) -> str:
    return percent(share, digits=1)


def compare_sessions(
    first: onnxruntime.InferenceSession,
    second: onnxruntime.InferenceSession,
    images: NDArray[np.uint8],
    *,
    metadata: tuple[ModelMetadata, ModelMetadata] | None = None,
) -> Agreement:
    """Ask both about framed images (images, height, width, 3).

    Args:
        first: what the second is compared with.
        images: framed.
        metadata: of both, where their verdicts are compared.
    """
    (here, strange), (there, stranger) = (_answers(session, images) for session in (first, second))
    labels = here.argmax(axis=1)
    verdicts = None
    if metadata is not None and all(one.verdict is not None for one in metadata):
        verdicts = float(np.mean(_verdicts(here, strange, metadata[0]) != _verdicts(there, stranger, metadata[1])))
    apart = np.abs(here.astype(np.float64) - there)
    return Agreement(
        image_count=len(images),
        other_labels=float(np.mean(labels != there.argmax(axis=1))),
        other_verdicts=verdicts,
        largest_difference=float(apart.max()),
        mean_difference=float(apart[np.arange(len(labels)), labels].mean()),
    )


def open_unfused(model: ModelFile) -> onnxruntime.InferenceSession:
    """The file as it is written: what fused kernels compute in 8 bits is computed in floating point."""
    return open_graph(model.data, name=str(model.path), optimised=False)


def measure_rates(models: Mapping[str, ModelFile], images: NDArray[np.uint8]) -> dict[str, dict[int, float]]:
    """Images per second of each file on one core, by the number of images in a batch; the files take turns."""
    sessions = {name: open_session(model) for name, model in models.items()}
    found: dict[str, dict[int, float]] = {name: {} for name in models}
    for size in BATCHES:
        batch = np.resize(images, (size, *images.shape[1:]))
        runs = {name: partial(run_session, session, batch, ["probabilities"]) for name, session in sessions.items()}
        for name, timed in take_turns(runs, rounds=ROUNDS, seconds=SECONDS).items():
            found[name][size] = round(timed.rate * size, 2)
    return found


def _answers(
    session: onnxruntime.InferenceSession, images: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Probabilities and novelty."""
    names = [output.name for output in session.get_outputs() if output.name in ("probabilities", "novelty")]
    rows = [run_session(session, images[start : start + BATCH], names) for start in range(0, len(images), BATCH)]
    columns = {name: np.concatenate([row[index] for row in rows]) for index, name in enumerate(names)}
    return columns["probabilities"], columns.get("novelty")


def _verdicts(
    rows: NDArray[np.float32], novelty: NDArray[np.float32] | None, metadata: ModelMetadata
) -> NDArray[np.str_]:
    strange: Sequence[float | None] = [None] * len(rows) if novelty is None else novelty.tolist()
    return np.array([judge(row, metadata, novelty=one).verdict for row, one in zip(rows, strange, strict=True)])
