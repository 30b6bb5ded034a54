"""Training for `ImageClassifier.fit`: from images in memory to a model file in memory."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.errors import DataError
from vidi.evaluation.guarantees.calibrate import UnseenAnswers, calibrate_answers, points_without_images
from vidi.evaluation.guarantees.promise import Promise
from vidi.evaluation.uses import digest_of_images
from vidi.files import digest_of
from vidi.groups import deal_three_parts, join_links, links_of_equal, number_groups
from vidi.images.account import Entry
from vidi.images.framing import Framing, choose_framing
from vidi.images.given import Given
from vidi.images.statistics import statistics_of
from vidi.machine import Deadline
from vidi.metrics.novelty import fit_novelty
from vidi.metrics.truth import OneClass, SeveralClasses, Truth
from vidi.model_file.metadata import ModelMetadata, Normalisation
from vidi.model_file.read import read_model
from vidi.model_file.write import write_model
from vidi.monitoring.reference import UnseenImages, make_reference, thin_out
from vidi.networks.pretrained.read import read_pretrained
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.framed import run_pixels
from vidi.prediction.predictor import Predictor
from vidi.training.data import TrainingData
from vidi.training.defaults import recipe_for
from vidi.training.heads.on_features import train_on_features
from vidi.training.loop.progress import EpochRow
from vidi.training.recipe import Recipe
from vidi.training.train import TrainedNetwork, train_network
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.given import frame_given, look_at_given
from vidi.workflows.interaction.run_folder import MODEL
from vidi.workflows.pretrained.backbones import AUTO, backbone_recipe, candidates_for
from vidi.workflows.run.budget import TABLE, Budget
from vidi.workflows.run.describe import LIBRARIES, as_three
from vidi.workflows.run.ladder import plan_ladder
from vidi.workflows.run.learn import most_for_novelty
from vidi.workflows.run.publish import IMAGE_COUNT, require_parity
from vidi.workflows.run.read import LOOKED_AT, PIXELS_LOOKED_AT, SIZES_LOOKED_AT, traits_from

LEAST_HELD_OUT = 20  # images in a held-out part: of fewer neither an epoch nor a temperature can be chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRequest:
    """How to train on images in memory."""

    classes: tuple[str, ...]
    network: str | None = None  # trained from scratch; None: what `vidi train` begins with
    pretrained: str | None = None  # weights whose features a head is learned on; `none`: a network from scratch
    changes: Mapping[str, object] = field(default_factory=dict)  # fields of the recipe that the user set
    minutes: float | None = None  # for everything
    held_out: float = 0.1  # share kept for choosing the epoch, and again for calibration
    name: str = "ImageClassifier"


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModel:
    """Result of a training on images in memory."""

    predictor: Predictor  # the model file, loaded; its bytes are `predictor.model.data`
    history: tuple[EpochRow, ...]
    recipe: Recipe
    refused: tuple[Entry, ...]  # images that could not be used


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The usable images, framed."""

    pixels: NDArray[np.uint8]  # (images, height, width, 3)
    given: tuple[Given, ...]  # the same, as they were given
    truth: Truth
    groups: NDArray[np.int64]  # equal numbers stay in one part
    digests: tuple[str, ...]
    refused: tuple[Entry, ...]


def fit_images(
    images: Sequence[Given],
    truth: NDArray[np.int64] | NDArray[np.bool_],
    request: FitRequest,
    *,
    groups: Sequence[str] | None = None,
    events: Events = SILENCE,
) -> FittedModel:
    """Train on images in memory, and make a model file that passes the parity gate.

    From 20 images on in each held-out part, the best epoch is chosen on the one and the temperature fitted on the
    other; of fewer images everything is used for training, the last epoch is kept, and probabilities stay uncalibrated.
    Images that are equal once framed, and images of one group, are never on both sides.

    Args:
        images: paths, arrays or Pillow images of any sizes.
        truth: (images,) int64, index into `request.classes`; or (images, classes) bool, where they may show several.
        request: how.
        groups: images of equal group are kept together.
        events: receives progress and messages.

    Raises:
        DataError: fewer than two classes have usable images.
        UsageError, GateError, ResourceError: as `train_network` says.
    """
    deadline = None if request.minutes is None else Deadline.after(60 * request.minutes)
    sizes = look_at_given(images[:: max(1, len(images) // SIZES_LOOKED_AT)])
    known = _as_truth(truth, class_count=len(request.classes))
    if not sizes:
        raise DataError("none of the images can be read", "`vidi check` lists what is wrong with them.")
    recipe = _choose_recipe(images, known.strata, request, sizes, events=events)
    framing = choose_framing(sizes, recipe.image_size)
    kept = _keep(images, known, framing=framing, groups=groups, events=events)
    _require_two_classes(kept, request.classes)
    names = [str(group) for group in kept.groups.tolist()]  # assigned by name, as the folders' groups are
    train, validation, calibration = deal_three_parts(
        kept.truth.strata, names, share=request.held_out, least=LEAST_HELD_OUT, seed=recipe.seed
    )
    data = TrainingData(
        images=kept.pixels,
        truth=kept.truth,
        train_rows=train,
        validation_rows=validation,
        classes=request.classes,
    )
    with tempfile.TemporaryDirectory(prefix="vidi-") as place:
        folder = Path(place)
        trained = _train(data, recipe, names, folder=folder, deadline=deadline, events=events)
        path = folder / MODEL
        write_model(path, to_onnx(trained.network, recipe.image_size), _describe(request, kept, framing, trained))
        require_parity(trained, Predictor.load(path), np.ascontiguousarray(kept.pixels[train[:IMAGE_COUNT]]))
        if len(calibration):
            _calibrate(path, trained, kept, train, calibration)
        predictor = Predictor.from_bytes(path.read_bytes())  # the folder goes, the model stays in memory
    return FittedModel(predictor=predictor, history=trained.history, recipe=trained.recipe, refused=kept.refused)


def _as_truth(truth: NDArray[np.int64] | NDArray[np.bool_], *, class_count: int) -> Truth:
    """What a caller knows, as (images,) class indexes or (images, classes) of yes and no."""
    if truth.ndim == 2:
        return SeveralClasses.of(truth.astype(np.bool_))
    return OneClass(labels=truth.astype(np.int64), class_count=class_count)


def _train(
    data: TrainingData,
    recipe: Recipe,
    groups: Sequence[str],
    *,
    folder: Path,
    deadline: Deadline | None,
    events: Events,
) -> TrainedNetwork:
    """A network from scratch, or a head on the features of the pretrained one that the recipe names."""
    if recipe.pretrained:
        in_haste = not Budget(deadline).allows("every head", len(data.train_rows))
        weights = read_pretrained(recipe.pretrained)
        return train_on_features(
            data, recipe, weights=weights, groups=groups, in_haste=in_haste, on_progress=events.features
        )
    share = TABLE["training"].share
    until = None if deadline is None else Deadline.after(max(1.0, deadline.seconds_left() * share))
    events.recipe(recipe)
    return train_network(
        data,
        recipe,
        folder=folder,
        deadline=until,
        on_progress=events.training,
        on_epoch=lambda row: events.epoch(row, 0),
    )


def _choose_recipe(
    images: Sequence[Given],
    labels: NDArray[np.int64],
    request: FitRequest,
    sizes: Sequence[tuple[int, int]],
    *,
    events: Events,
) -> Recipe:
    step = max(1, len(images) // PIXELS_LOOKED_AT)
    seen = zip(frame_given(images[::step], LOOKED_AT), labels[::step].tolist(), strict=True)
    read = [(image, label) for image, label in seen if not isinstance(image, Entry)]
    traits = traits_from(
        [image for image, _ in read],
        [label for _, label in read],
        sizes=sizes,
        image_count=len(images),
        class_count=len(request.classes),
    )
    ladder = plan_ladder(
        traits,
        pretrained=request.pretrained,
        is_set=request.network is not None and request.pretrained is None,
        changes=request.changes,
        minutes=request.minutes,
    )
    if ladder.rungs[0] != "head":
        return recipe_for(traits, network=request.network or "compact", changes=request.changes)
    size = request.changes.get("image_size")
    found = candidates_for(
        request.pretrained or AUTO, usual_size=traits.usual_size, image_size=size if isinstance(size, tuple) else None
    )
    *_, largest = [one for one in found if one.size == found[0].size]  # of `auto`, the network that wins most often
    return backbone_recipe(largest, traits, changes=request.changes, events=events)


def _keep(
    images: Sequence[Given],
    truth: Truth,
    *,
    framing: Framing,
    groups: Sequence[str] | None,
    events: Events,
) -> _Kept:
    """Frame every image once; what cannot be used is named and left out."""
    pixels = np.empty((len(images), *framing.size, 3), np.uint8)
    rows: list[int] = []
    refused: list[Entry] = []
    digests: list[str] = []
    for number, one in enumerate(frame_given(images, framing)):
        events.reading(number + 1, len(images))
        if isinstance(one, Entry):
            refused.append(one)
            continue
        pixels[len(rows)] = one
        rows.append(number)
        digests.append(digest_of(np.ascontiguousarray(one).tobytes()))
    links = links_of_equal(digests)
    if groups is not None:
        links += links_of_equal(groups[row] for row in rows)
    return _Kept(
        pixels=pixels[: len(rows)],
        given=tuple(images[row] for row in rows),
        truth=truth.at(np.array(rows, np.int64)),
        groups=join_links(len(rows), links),
        digests=tuple(digests),
        refused=tuple(refused),
    )


def _require_two_classes(kept: _Kept, classes: Sequence[str]) -> None:
    shown = np.flatnonzero(kept.truth.class_sizes)
    if len(shown) < 2:
        found = f"only {classes[shown[0]]!r} has" if len(shown) else "no class has"
        refused = f"; {len(kept.refused):,} images cannot be used" if kept.refused else ""
        raise DataError(f"{found} usable images{refused}", "Use images of at least two classes.")


def _calibrate(
    path: Path, trained: TrainedNetwork, kept: _Kept, train: NDArray[np.int64], rows: NDArray[np.int64]
) -> None:
    """Give the model file its novelty, and the calibration and the limits that the kept images support."""
    predictor = Predictor.load(path)
    given = run_pixels(predictor, kept.pixels, rows, ("probabilities", "embedding"))
    some = train[:: -(-len(train) // most_for_novelty(trained.recipe.image_size, len(train)))]
    learnt = run_pixels(predictor, kept.pixels, some, ("embedding",))["embedding"]
    score = fit_novelty(learnt, kept.truth.strata[some], head=trained.own_head())
    groups = number_groups(kept.groups[rows])
    novelty, graph = score.of(given["embedding"]), to_onnx(trained.network, trained.recipe.image_size)
    before = read_model(path).metadata
    answers = UnseenAnswers(
        probabilities=given["probabilities"], truth=kept.truth.at(rows), groups=groups, novelty=novelty
    )
    done = calibrate_answers(answers, before.classes, promise=Promise())
    metadata = replace(before, calibration=done.step, verdict=done.limits, operating_points=done.points)
    reference = make_reference(
        done.fitted.probabilities,
        metadata,
        basis="calibration",
        groups=groups,
        novelty=novelty,
        images=_see(kept, rows, given["embedding"], novelty, before.framing),
    )
    write_model(path, graph, replace(metadata, drift_reference=reference), novelty=score)


def _see(
    kept: _Kept,
    rows: NDArray[np.int64],
    embeddings: NDArray[np.float32],
    novelty: NDArray[np.float64],
    framing: Framing,
) -> UnseenImages | None:
    """The calibration images with embeddings and novelty; None where a file has gone since it was read."""
    some = thin_out(len(rows))
    sizes = look_at_given([kept.given[row] for row in rows[some].tolist()])
    if len(sizes) < len(some):
        return None
    seen = zip(rows[some].tolist(), sizes, strict=True)
    return UnseenImages(
        part="calibration",
        embeddings=embeddings[some],
        statistics=[statistics_of(kept.pixels[row], framing, size) for row, size in seen],
        groups=kept.groups[rows[some]],
        novelty=novelty[some],
    )


def _describe(request: FitRequest, kept: _Kept, framing: Framing, trained: TrainedNetwork) -> ModelMetadata:
    """What the model file says: it is finished, and it was not tested."""
    sizes = zip(request.classes, kept.truth.class_sizes.tolist(), strict=True)
    counts = {name: count for name, count in sizes if count}
    several = isinstance(kept.truth, SeveralClasses)
    return ModelMetadata(
        classes=request.classes,
        multi_label=several,
        operating_points=points_without_images(kept.truth, request.classes),  # until it is calibrated
        framing=framing,
        normalisation=Normalisation(
            mean=as_three(trained.normalisation.mean), standard_deviation=as_three(trained.normalisation.std)
        ),
        network=trained.recipe.network,
        weights_license=trained.weights_license,
        run=request.name,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        description=kept.truth.outputs.describe(request.classes),
        data={
            "digest": digest_of_images(kept.digests),  # of the framed pixels: the images had no files, or any
            "images": len(kept.truth),
            "classes": dict(sorted(counts.items())),
            "reader": "python",
        },
        recipe=trained.recipe.as_dict(),
        library_versions={name: version(name) for name in LIBRARIES},
    )
