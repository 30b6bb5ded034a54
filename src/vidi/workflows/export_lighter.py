"""`vidi export --to int8 | fp16`: fewer bits, calibrated again, and refused where they are not as good."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from vidi.data.dataset import Dataset
from vidi.data.splitting.split_file import write_assignments
from vidi.errors import GateError, ModelError
from vidi.evaluation.answers import Want, answer
from vidi.evaluation.document import evaluate_parts, short_figures
from vidi.evaluation.guarantees.operating import OperatingTarget
from vidi.evaluation.guarantees.promise import Promise
from vidi.evaluation.guarantees.refuted import refuted_on
from vidi.evaluation.match import match_classes
from vidi.evaluation.sections import rounded
from vidi.evaluation.uses import carry_uses, digest_of_images
from vidi.export.model_document import MODEL_FILE
from vidi.export.precisions import to_fp16, to_int8
from vidi.files import escape_path, write_whole
from vidi.machine import processor_name
from vidi.metrics.paired import PairedComparison, compare_paired, worse_by_chance
from vidi.model_file.golden_vector import GoldenTolerance
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.values import Json
from vidi.model_file.write import finished_bytes, set_metadata
from vidi.numbers import percent
from vidi.prediction.predictor import Predictor
from vidi.prediction.session import open_session
from vidi.report.words.counting import count_of
from vidi.workflows.calibrate import calibrate
from vidi.workflows.compare import compare
from vidi.workflows.comparing.stored import Compared
from vidi.workflows.evaluate import evaluate
from vidi.workflows.exporting.agreement import Agreement, compare_sessions, measure_rates, open_unfused
from vidi.workflows.exporting.images import CALIBRATION, TEST, LabelledParts, find_images
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.interaction.run_folder import SPLITS
from vidi.workflows.requests.calibrate import CalibrateRequest
from vidi.workflows.requests.compare import CompareRequest
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.evaluate import EvaluateRequest

CHANCE = 0.05  # of refusing a file that is as good as its parent, by the sign test
MOST_UNSEEN = 15.0  # percentage points that may go unnoticed: the end of the 95 % interval of the loss
MAX_FUSED_SHARE = 0.02  # of other labels, where kernels of 8 bits and floating point run the same file
TOLERANCE = GoldenTolerance(probability=0.05, novelty=0.1)  # of 8 bits: processors round their sums differently
REMEDY = "Nothing was written. Use --to fp16, name more labelled images with --data, or allow more with --max-drop."
COMPARISON, EVALUATION, NEIGHBOURS = "comparison", "evaluation", "neighbours"
WRITERS: Mapping[str, Callable[[onnx.ModelProto, NDArray[np.uint8]], onnx.ModelProto]] = {
    "int8": to_int8,
    "fp16": lambda model, _: to_fp16(model),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lighter:
    """A lighter file, and what was found out about it."""

    model: ModelFile
    parent: ModelFile
    compared: Compared  # B is the lighter file
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


def make_lighter(
    parent: ModelFile,
    form: str,
    *,
    data: str | None,
    max_drop: float,
    folder: Path,
    kept_as: Path,
    images: bool = True,
    events: Events,
) -> Lighter:
    """Write a model file in fewer bits, and judge it beside its parent.

    Args:
        parent: the model file.
        form: a key of `WRITERS`.
        data: a run or labelled images; None: the run that the file lies in.
        max_drop: percentage points of accuracy that may be lost on the test images, also beyond chance.
        folder: gets the pages of the comparison and the evaluation.
        kept_as: where the new file will lie; the pages name it so.
        images: whether the pages show any.
        events: receives progress and messages.

    Raises:
        GateError: it loses more, its promises do not hold, or its kernels give other answers than its arithmetic.
        ModelError: the parent is unfinished, or cannot be written so.
        DataError, UsageError: there are no images to calibrate and test on.
    """
    require_possible(parent)
    found = find_images(Predictor.load(parent.path), data)
    _require_enough(len(found.of(TEST).images), max_drop=max_drop)
    framed = found.framed(parent)
    pages = _Pages(data=found.data, tested=found.of(TEST), folder=folder, kept_as=kept_as, images=images)
    network = WRITERS[form](onnx.load_model_from_string(parent.data), framed)
    place = folder / "work"
    place.mkdir()
    model, count = _calibrated(parent, network, form, found, place=place, events=events)
    session = open_session(model)
    fused = compare_sessions(open_unfused(model), session, framed) if form == "int8" else None
    _require_sound_kernels(fused)
    model = _tested(model, pages)
    done = Lighter(
        model=model,
        parent=parent,
        compared=_write_pages(parent, model, pages, events=events),
        agreement=compare_sessions(open_session(parent), session, framed, metadata=(parent.metadata, model.metadata)),
        fused=fused,
        rates=measure_rates({"parent": parent, form: model}, framed),
        processor=processor_name(),
        calibrated_on=count,
    )
    _count_uses(parent, place, found)
    shutil.rmtree(place)
    require_as_good(done.compared.comparison.overall.counts, max_drop=max_drop)
    return done


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


def _calibrated(
    parent: ModelFile,
    network: onnx.ModelProto,
    form: str,
    found: LabelledParts,
    *,
    place: Path,
    events: Events,
) -> tuple[ModelFile, int]:
    """The file with calibration, limits and novelty limit of its own; and the number of images they rest on.

    A run on few images calibrates on answers by networks that had not seen them. There are none such of the lighter
    network, so the parent's calibration stays, and the test images judge what it promises.
    """
    metadata = replace(
        parent.metadata,
        derived_from=parent.metadata.weights_digest,
        test=None,
        refuted=None,
        golden_tolerance=TOLERANCE if form == "int8" else parent.metadata.golden_tolerance,
    )
    path = place / MODEL_FILE
    write_whole(path, finished_bytes(network, metadata))
    write_assignments(place / SPLITS, found.assigned)
    if not found.has_calibration:
        return read_model(path), 0
    done = calibrate(
        CalibrateRequest(
            model=path,
            data=_about_same_class(found.data, metadata),
            output=place / "calibrated.onnx",
            promise=_promise(metadata),
            target=_target(metadata),
        ),
        events=events,
        dataset=found.of(CALIBRATION),
    )
    (place / "calibrated.onnx").replace(path)
    return read_model(path), done.image_count


def _about_same_class(data: DataRequest, metadata: ModelMetadata) -> DataRequest:
    """The data, with the one class that the parent's operating point is about."""
    points = metadata.operating_points
    return data if points is None or points.positive is None else replace(data, positive=points.positive)


def _promise(metadata: ModelMetadata) -> Promise:
    """What the parent promises."""
    limits = metadata.verdict
    return Promise() if limits is None else Promise(max_error=limits.max_error, coverage=limits.coverage)


def _target(metadata: ModelMetadata) -> OperatingTarget | None:
    """What the parent's decisions are to keep."""
    points = metadata.operating_points
    if points is None:
        return None
    costs = None
    if points.costs is not None:
        costs = {
            truth: dict(zip(metadata.classes, row, strict=True))
            for truth, row in zip(metadata.classes, points.costs, strict=True)
        }
    return OperatingTarget(measure=points.measure, share=points.share, costs=costs)


def _tenths(share: float) -> str:
    return percent(share, digits=1)


def _require_sound_kernels(fused: Agreement | None) -> None:
    if fused is not None and fused.other_labels > MAX_FUSED_SHARE:
        raise GateError(
            f"on this processor the kernels of 8 bits give another label than the same file in floating point for "
            f"{_tenths(fused.other_labels)} of {fused.image_count} images (allowed: {percent(MAX_FUSED_SHARE)})",
            "Nothing was written. Use --to fp16.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pages:
    """What a lighter file is tested on, and where the pages about it go."""

    data: DataRequest
    tested: Dataset
    folder: Path
    kept_as: Path
    images: bool


def _tested(model: ModelFile, pages: _Pages) -> ModelFile:
    """The file with its own test figures.

    Raises:
        GateError: the test images refute what it promises.
    """
    predictor = Predictor.load(model.path)
    want = Want(
        options=decode_options(pages.data), match=match_classes(predictor.classes, pages.tested.classes), traits=True
    )
    answers = answer(predictor, pages.tested, dict.fromkeys(range(len(pages.tested.images)), TEST), want)
    for one in refuted_on(answers, model.metadata)[:1]:
        raise GateError(
            f"the test images refute what the lighter file promises ({one.kind}: {_tenths(one.measured)} of "
            f"{one.image_count:,} images, promised {_tenths(one.guaranteed)})",
            "Nothing was written. Use --to fp16, or more calibration images.",
        )
    return set_metadata(model.path, replace(model.metadata, test=short_figures(evaluate_parts(answers)[TEST])))


def _write_pages(parent: ModelFile, model: ModelFile, pages: _Pages, *, events: Events) -> Compared:
    """The report of the file, and the comparison with its parent, image by image."""
    evaluate(
        EvaluateRequest(
            model=model.path,
            data=pages.data,
            output=pages.folder / EVALUATION,
            images=pages.images,
        ),
        events=events,
        dataset=pages.tested,
        kept_as=pages.kept_as,
    )
    request = CompareRequest(
        first=parent.path,
        second=model.path,
        data=pages.data,
        output=pages.folder / COMPARISON,
        images=pages.images,
    )
    return compare(request, events=events, dataset=pages.tested, kept_as=pages.kept_as)


def _count_uses(parent: ModelFile, place: Path, found: LabelledParts) -> None:
    """Note in the parent's run, where it has one, that its test images judged another file."""
    run = parent.path.parent
    if (run / SPLITS).is_file():
        tested = digest_of_images(row.digest for row in found.assigned if row.part == TEST)
        carry_uses(place, run, images=tested)


def require_as_good(counts: PairedComparison, *, max_drop: float) -> None:
    """Refuse a file that loses more than is allowed, beyond chance, or that may lose far more unnoticed.

    Args:
        counts: the parent beside the file, on the test images.
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


def _require_enough(test_images: int, *, max_drop: float) -> None:
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
