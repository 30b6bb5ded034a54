"""The choice of the pretrained network and its size, on a sample of the training images."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.groups import split_learnable_folds
from vidi.images.framing import choose_framing
from vidi.images.pool import DecodeJob, read_images
from vidi.networks.catalog import HOSTED, PAIRS
from vidi.networks.layers import Classifier
from vidi.networks.pretrained.read import read_pretrained
from vidi.networks.pretrained.weights import PretrainedWeights
from vidi.numbers import percent
from vidi.training.heads.features import choose_feature_engine, embed_images
from vidi.training.heads.transfer import frozen_backbone, try_heads
from vidi.training.loop.objective import InputNormalisation, normalisation_for
from vidi.training.recipe import MEASURED, Recipe
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.run.budget import Budget
from vidi.workflows.run.learning.candidates import ENGINE_IMAGES, IMAGES_FOR_SIZE, IMAGES_FOR_WEIGHTS, Candidate
from vidi.workflows.run.learning.learn import training_data
from vidi.workflows.run.prepare import SplitImages

ANSWERED_LATER = ("calibration", "test", "extra")  # parts whose images the chosen network sees after training
FEW_IMAGES = 100  # with fewer, chance decides the comparison: the larger network is better more often, and soon done
SURELY = 1.5  # standard errors of the difference by which the smaller one must then be better
CLEARLY = 0.98  # times the log loss of the candidate before: what lies nearer may be chance, and costs more time


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenBackbone:
    """The backbone of a run."""

    weights: PretrainedWeights
    recipe: Recipe  # with its network, size and normalisation, and the engine that computes its features
    fine_tuned: PretrainedWeights  # what fine-tuning goes on with: the same, or the better one of two side by side
    seen: Mapping[int, NDArray[np.float32]]  # features that were computed on the way, by the image's row
    seconds: float = 0.0  # for the features of an image, as measured on the way; 0 where nothing was


def choose_backbone(
    images: SplitImages, recipe: Recipe, candidates: Sequence[Candidate], *, budget: Budget, events: Events
) -> ChosenBackbone:
    """Choose the candidate whose features classify best, in cross-validation on a sample.

    The sizes are compared first, on a small sample and by the first candidate's weights; then the weights, on a
    larger one.

    Args:
        candidates: at least one.
    """
    weights_of = {one.name: read_pretrained(one.name) for one in candidates}
    trials = _Trials(images, recipe, weights_of, budget=budget, events=events)
    first = candidates[0]
    best = trials.best([one for one in candidates if one.name == first.name], images=IMAGES_FOR_SIZE)
    of_size = [one for one in candidates if one.size == best.size]
    best = trials.best_of_few(of_size) if trials.are_few else trials.best(of_size, images=IMAGES_FOR_WEIGHTS)
    weights = trials.weights[best.name]
    changes = {
        "network": weights.network,
        "pretrained": best.name,
        "image_size": best.size,
        "normalisation": weights.normalisation,
    }
    if trials.sentences:
        recipe = recipe.changed(changes, source=f"{MEASURED} {'; '.join(trials.sentences)}")
    if not recipe.execution.features:
        recipe = recipe.changed({"features": trials.engine}, source=f"{MEASURED} {trials.engine_reason}")
    fine_tuned = trials.weights[trials.better_part(best).name]
    return ChosenBackbone(
        weights=weights,
        recipe=recipe,
        fine_tuned=fine_tuned,
        seen=trials.seen.get(best, {}),
        seconds=trials.seconds_for(best),
    )


class _Trials:
    """Candidates cross-validated on samples of the images to learn from; keeps every feature that was computed."""

    def __init__(
        self,
        images: SplitImages,
        recipe: Recipe,
        weights: Mapping[str, PretrainedWeights],
        *,
        budget: Budget,
        events: Events,
    ) -> None:
        self.split, self.recipe, self.weights = images, recipe, weights
        self.budget, self.events = budget, events
        self.data = training_data(images)
        rows = rows_to_learn(images)
        self.order = np.random.default_rng([recipe.seed, 0x7A1]).permutation(rows)
        self.seen: dict[Candidate, dict[int, NDArray[np.float32]]] = {}
        self.sentences: list[str] = []
        self.losses: dict[Candidate, float] = {}
        self.seconds: dict[Candidate, float] = {}  # for the features of one image
        self.engine, self.engine_reason = recipe.execution.features, ""

    def best(self, candidates: Sequence[Candidate], *, images: int) -> Candidate:
        """The candidate of least log loss; one that comes before it, unless it is clearly better than that."""
        rows = np.sort(self.order[:images])
        if len(candidates) == 1 or not (self._folds(rows) >= 0).any():
            self._choose_engine(candidates[0])
            return candidates[0]
        losses = {one: float(self._losses(one, rows).mean()) for one in candidates if self._has_time_for(one)}
        self._say(losses, len(rows))
        chosen = earliest_unless_beaten(losses)
        near = f"the difference is below {percent(1 - CLEARLY)}, so the usual or smaller one stays"
        self.sentences += why_not_least(chosen, losses, near)
        return chosen

    @property
    def are_few(self) -> bool:
        """Whether the images are too few to tell two networks apart."""
        return len(self.order) < FEW_IMAGES

    def best_of_few(self, candidates: Sequence[Candidate]) -> Candidate:
        """The largest network of a package, unless another one is better beyond chance."""
        candidates = fetched_first(candidates)
        if len(candidates) == 1:
            return self.best(candidates, images=0)
        rows = np.sort(self.order)
        if not (self._folds(rows) >= 0).any():
            return self.best([candidates[-1]], images=0)
        losses = {one: self._losses(one, rows) for one in candidates if self._has_time_for(one)}
        self._say({candidate: float(each.mean()) for candidate, each in losses.items()}, len(rows))
        chosen = last_unless_beaten(losses)
        means = {candidate: float(each.mean()) for candidate, each in losses.items()}
        chance = "the difference may be chance, so the larger network stays"
        self.sentences += why_not_least(chosen, means, chance)
        return chosen

    def better_part(self, chosen: Candidate) -> Candidate:
        """Of two networks side by side the one that is better alone, where both were compared; any other is itself."""
        parts = {
            one: loss
            for one, loss in self.losses.items()
            if one.size == chosen.size and one.name in PAIRS.get(chosen.name, ())
        }
        return earliest_unless_beaten(parts) if parts else chosen

    def seconds_for(self, candidate: Candidate) -> float:
        """Seconds for the features of an image, as measured or by what others took; 0 where nothing is known yet."""
        parts = [Candidate(name, candidate.size) for name in PAIRS.get(candidate.name, (candidate.name,))]
        return sum(self.seconds.get(part, self._estimate(part)) for part in parts)

    def _estimate(self, candidate: Candidate) -> float:
        """By the slowest that was measured, for its area; of other weights twice that: later ones are larger."""
        height, width = candidate.size
        return max(
            (
                seconds * height * width / (one.size[0] * one.size[1]) * (1 if one.name == candidate.name else 2)
                for one, seconds in self.seconds.items()
            ),
            default=0.0,
        )

    def _has_time_for(self, candidate: Candidate) -> bool:
        """Whether there is time for a network, or two side by side, by the time that others have taken."""
        budget = self.budget
        if budget.deadline is None or not self.seconds or candidate in self.seen:
            return True
        parts = [Candidate(name, candidate.size) for name in PAIRS.get(candidate.name, (candidate.name,))]
        seen = min(len(self.seen.get(part, ())) for part in parts)
        answered = sum(len(self.split.split.rows(part)) for part in ANSWERED_LATER)
        images = len(self.order) - seen + answered
        seconds = images * self.seconds_for(candidate)
        if budget.fits("features", seconds):
            return True
        left = budget.deadline.seconds_left()
        self.events.say(
            f"Short on time: {candidate.name} is not tried; {images:,} more images would take it about "
            f"{seconds:.0f} s, and {max(left, 0):.0f} s are left."
        )
        return False

    def _say(self, losses: Mapping[Candidate, float], image_count: int) -> None:
        if len(losses) > 1:
            shown = ", ".join(f"{one} {loss:.3f}" for one, loss in losses.items())
            self.sentences.append(f"compared on {image_count:,} images (log loss, lower is better): {shown}")

    def _losses(self, candidate: Candidate, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(rows,) the log loss of each image in cross-validation; of several classes, their mean."""
        with self.budget.watch.on(stage_of(candidate.name)):
            self._compute(candidate, rows)
        features = np.stack([self.seen[candidate][row] for row in rows.tolist()])
        truth = self.data.truth.at(rows)
        tried = try_heads(features, truth, fold_of=self._folds(rows))
        losses = truth.at(tried.held_out).log_losses(tried.probabilities.astype(np.float64))
        self.losses[candidate] = float(losses.mean())
        return losses

    def _folds(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(rows,) the fold in which each image is held out; -1 = in none."""
        strata = self.data.strata[rows]
        return split_learnable_folds(groups_of(self.split, rows), labels=strata, seed=self.recipe.seed)

    def _compute(self, candidate: Candidate, rows: NDArray[np.int64]) -> None:
        seen = self.seen.setdefault(candidate, {})
        new = np.array([row for row in rows.tolist() if row not in seen], np.int64)
        parts = [self.seen.get(Candidate(name, candidate.size), {}) for name in PAIRS.get(candidate.name, ())]
        if parts and all(row in part for part in parts for row in new.tolist()):
            seen.update((row, np.concatenate([part[row] for part in parts])) for row in new.tolist())
            return
        network, normalisation = self._network(candidate)
        images = _sample(self.split, candidate, new)
        self._choose_engine(candidate, images)
        began = time.perf_counter()
        features = embed_images(network, images, np.arange(len(new)), normalisation=normalisation, engine=self.engine)
        if len(new):
            self.seconds[candidate] = (time.perf_counter() - began) / len(new)
        seen.update(zip(new.tolist(), features, strict=True))

    def _network(self, candidate: Candidate) -> tuple[Classifier, InputNormalisation]:
        weights = self.weights[candidate.name]
        changed = self.recipe.changed({"normalisation": weights.normalisation}, source="")
        network = frozen_backbone(weights, self.data, image_size=candidate.size, options=self.recipe.options)
        return network, normalisation_for(changed, self.data)

    def _choose_engine(self, candidate: Candidate, images: NDArray[np.uint8] | None = None) -> None:
        """Once: the other candidates are networks of the same kind."""
        if self.engine:
            return
        network, normalisation = self._network(candidate)
        images = _sample(self.split, candidate, self.order[:ENGINE_IMAGES]) if images is None else images
        is_short = self.budget.is_short and len(self.weights) == 1  # then engines are not compared either
        self.engine, self.engine_reason = choose_feature_engine(
            network, images[:ENGINE_IMAGES], normalisation, image_count=0 if is_short else len(self.order)
        )


def stage_of(name: str) -> str:
    """The stage of a run in which features are computed by these weights."""
    return f"features of {name}"


def why_not_least(chosen: Candidate, losses: Mapping[Candidate, float], reason: str) -> list[str]:
    """Explain why a candidate with a higher log loss was chosen; empty if it has the lowest.

    >>> small, large = Candidate("lite0", (128, 128)), Candidate("lite2", (128, 128))
    >>> why_not_least(large, {small: 0.10, large: 0.11}, "the difference may be chance")
    ['chosen: lite2 at 128x128; the difference may be chance']
    >>> why_not_least(small, {small: 0.10, large: 0.11}, "the difference may be chance")
    []
    """
    if losses[chosen] <= min(losses.values()):
        return []
    return [f"chosen: {chosen}; {reason}"]


def earliest_unless_beaten(losses: Mapping[Candidate, float]) -> Candidate:
    """The first candidate, unless a later and costlier one is clearly better than whichever was best before it.

    >>> small, large = Candidate("lite0", (128, 128)), Candidate("lite2", (128, 128))
    >>> [earliest_unless_beaten({small: 0.1, large: loss}).name for loss in (0.099, 0.09)]
    ['lite0', 'lite2']
    """
    chosen, *later = losses
    for candidate in later:
        if losses[candidate] < CLEARLY * losses[chosen]:
            chosen = candidate
    return chosen


def last_unless_beaten(losses: Mapping[Candidate, NDArray[np.float64]]) -> Candidate:
    """The last candidate, unless an earlier one has the lower mean loss by more than chance would give.

    Args:
        losses: of each candidate, about the same images in the same order.
    """
    *others, best = losses
    for candidate in others:
        gain = losses[best] - losses[candidate]
        if gain.mean() > SURELY * gain.std() / len(gain) ** 0.5:
            best = candidate
    return best


def fetched_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """What was fetched from the hub, which vidi's makers have not measured, before what lies in packages.

    >>> packaged, fetched = Candidate("lite0", (128, 128)), Candidate("lite4", (128, 128))
    >>> [one.name for one in fetched_first([packaged, fetched])]
    ['lite4', 'lite0']
    """
    return sorted(candidates, key=lambda one: one.name not in HOSTED)


def rows_to_learn(images: SplitImages) -> NDArray[np.int64]:
    """The images of the parts train and validation, which cross-validation may use."""
    return np.sort(np.concatenate([images.split.rows("train"), images.split.rows("validation")]))


def groups_of(images: SplitImages, rows: NDArray[np.int64]) -> list[str]:
    """The group of each of these images."""
    return [images.split.groups[row] for row in rows.tolist()]


def _sample(images: SplitImages, candidate: Candidate, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Some images framed as the candidate wants them: from the cache where it has them, else from their files."""
    if candidate.size == images.framing.size:
        return np.ascontiguousarray(images.pixels[rows])
    framing = choose_framing(images.found.sizes, candidate.size, mode=images.request.framing)
    paths = [images.dataset.images[row].path for row in rows.tolist()]
    framed = np.zeros((len(rows), *framing.size, 3), np.uint8)
    stream = read_images(
        images.dataset.store, paths, DecodeJob(framing=framing, options=decode_options(images.request)), isolated=False
    )
    for index, read in enumerate(stream):
        if read.image is not None:
            framed[index] = read.image
    return framed
