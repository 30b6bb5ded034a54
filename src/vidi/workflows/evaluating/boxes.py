"""`vidi evaluate --boxes`: a model's boxes against true ones, as figures and curves."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from vidi.data.dataset import LabelledImage
from vidi.detection.locate import Located
from vidi.errors import DataError, ImageError, UsageError
from vidi.evaluation.match import match_classes
from vidi.figures.drawing import side_by_side
from vidi.figures.evaluation import draw_box_precision
from vidi.files import escape_path, write_atomic
from vidi.images.account import Account, Entry
from vidi.images.pool import DecodeJob, read_images
from vidi.metrics.arrays import Floats
from vidi.metrics.detection import OVERLAPS, RECALL_POINTS, FoundBoxes, detection_curve, pointing_game
from vidi.model_file.values import as_plain, key
from vidi.prediction.predictor import Predictor
from vidi.workflows.evaluating.written import open_folder, write_request
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import decode_options, read_source
from vidi.workflows.interaction.run_folder import BOXES, require_free
from vidi.workflows.locating import finder, thorough_way
from vidi.workflows.requests.model_file import BoxSearch, EvaluateRequest, LocateRequest
from vidi.workflows.requests.shared import USUAL_ENGINE

LEAST = 1e-3  # probability of a box that is counted: the curve needs the doubtful ones, too
DRAWN = (0.5, 0.75)  # overlaps whose curves are drawn
CURVES = "boxes.svg"
USUAL = BoxSearch()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassBoxes:
    """Figures of the boxes of one class."""

    name: str = field(metadata=key("class"))
    true_boxes: int
    average_precision_50: float | None  # at overlap 0.5; None where there is no true box
    average_precision: float | None  # the mean over the overlaps 0.5, 0.55 … 0.95, as COCO does
    recall_50: float  # of all true boxes, those that some box hits
    # Images whose best box points into a true one …
    pointed: int = field(metadata=key("hits", within="pointing_game"))
    shown: int = field(metadata=key("n", within="pointing_game"))  # … of those that show the class
    # Overlap → best precision at 101 recalls.
    curves: Mapping[str, tuple[float, ...]] = field(repr=False, metadata=key("precision_at_recall"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredBoxes:
    """Figures of located boxes against true ones."""

    classes: tuple[ClassBoxes, ...]
    images: int
    account: Account
    folder: Path  # with boxes.json and boxes.svg

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "schema": 1,
            "images": self.images,
            "classes": as_plain(self.classes, is_rounded=True),
            "account": self.account.as_json(),
            "curves": escape_path(self.folder / CURVES),
        }

    def lines(self) -> list[str]:
        """The same for people."""
        lines = [f"{self.images:,} images; average precision at overlap 0.5, mean of 0.5 to 0.95, recall, pointing"]
        for one in self.classes:
            values = (one.average_precision_50, one.average_precision, one.recall_50)
            figures = "  ".join("no data" if value is None else f"{value:.3f}" for value in values)
            lines.append(
                f"{escape_path(one.name)}  {figures}  {one.pointed} of {one.shown}  ({one.true_boxes:,} true boxes)"
            )
        return [*lines, f"curves: {escape_path(self.folder / CURVES)}"]


def score_boxes(request: EvaluateRequest, *, search: BoxSearch = USUAL, events: Events = SILENCE) -> ScoredBoxes:
    """Search every image of a data set with boxes, and write COCO's figures and curves into a folder.

    Args:
        request: the model, the data with its boxes, how classes are renamed, and where to write.

    Raises:
        DataError: the data has no box of a class that the model knows.
        UsageError, ModelError: as for `vidi locate`; or the output folder is wrong.
        ResourceError: the results cannot be written.
    """
    if request.engine != USUAL_ENGINE:
        raise UsageError(f"--boxes searches by {USUAL_ENGINE} alone", "Leave out --engine.")
    if request.output is not None:
        require_free(request.output, kind="evaluation", overwrite=request.overwrite)
    predictor = Predictor.load(request.model)
    dataset = read_source(replace(request.data, multi_label=True))  # a scene may show several classes
    match = match_classes(predictor.classes, dataset.classes)
    boxed = {match.names[box.class_index] for image in dataset.images for box in image.boxes}
    names = [name for name in predictor.classes if name in boxed]
    if not names:
        raise DataError(
            f"{escape_path(dataset.source)} has no boxes for {', '.join(map(escape_path, predictor.classes))}",
            "Use COCO, Pascal VOC or YOLO annotations. `--names 0=person` renames classes.",
        )
    wanted = LocateRequest(classes=tuple(names), by=thorough_way(predictor), least=LEAST, **asdict(search))
    find = finder(predictor, wanted)
    account = dataset.account.of_scan()
    judged: dict[str, list[FoundBoxes]] = {name: [] for name in names}
    paths = [image.path for image in dataset.images]
    stream = read_images(dataset.store, paths, DecodeJob(options=decode_options(request.data)))
    for done, (image, read) in enumerate(zip(dataset.images, stream, strict=True), start=1):
        events.reading(done, len(paths))
        try:
            pixels = read.pixels()
        except ImageError as error:
            account.refused.append(Entry(image.path, error.code, error.cause))
            continue
        account.used += 1
        found = find(pixels)
        for name in names:
            truth = true_boxes(image, (pixels.shape[0], pixels.shape[1]), match.names, name)
            judged[name].append(_of_class(found, name, truth))
    scored = ScoredBoxes(
        classes=tuple(_score(name, some) for name, some in judged.items()),
        images=account.used,
        account=account,
        folder=open_folder(request, dataset),
    )
    _write(scored, request)
    return scored


def _write(scored: ScoredBoxes, request: EvaluateRequest) -> None:
    """The figures as JSON, and one drawing with the curves of every class."""
    write_request(scored.folder, request)
    write_atomic(scored.folder / BOXES, json.dumps(scored.as_json(), indent=1) + "\n")
    recalls = RECALL_POINTS.tolist()
    figures = [
        draw_box_precision(
            {f"overlap {overlap}": (recalls, curve) for overlap, curve in one.curves.items()},
            title=one.name,
            name=f"boxes-{number}",
        )
        for number, one in enumerate(scored.classes)
    ]
    side_by_side(figures).save(scored.folder / CURVES)


def true_boxes(image: LabelledImage, size: tuple[int, int], names: tuple[str, ...], wanted: str) -> Floats:
    """(boxes, 4) of one class in pixels of an image of this size (height, width)."""
    rows = [
        (box.x_min, box.y_min, box.x_max, box.y_max)
        if not box.relative
        else (box.x_min * size[1], box.y_min * size[0], box.x_max * size[1], box.y_max * size[0])
        for box in image.boxes
        if names[box.class_index] == wanted
    ]
    return np.array(rows, np.float64).reshape(-1, 4)


def _of_class(found: list[Located], name: str, truth: Floats) -> FoundBoxes:
    some = [one for one in found if one.label == name]
    boxes = np.array([one.box for one in some], np.float64).reshape(-1, 4)
    return FoundBoxes(boxes, np.array([one.rank for one in some], np.float64), truth)


def _score(name: str, images: list[FoundBoxes]) -> ClassBoxes:
    curve = detection_curve(images)
    every = [detection_curve(images, overlap=overlap).average_precision for overlap in OVERLAPS]
    drawn = {str(overlap): detection_curve(images, overlap=overlap).best_precision for overlap in DRAWN}
    known = [value for value in every if value is not None]
    pointed, shown = pointing_game(images)
    return ClassBoxes(
        name=name,
        true_boxes=curve.truth_count,
        average_precision_50=curve.average_precision,
        average_precision=float(np.mean(known)) if known else None,
        recall_50=float(curve.recall[-1]) if len(curve.recall) else 0.0,
        pointed=pointed,
        shown=shown,
        curves={overlap: tuple(best.round(6).tolist()) for overlap, best in drawn.items()},
    )
