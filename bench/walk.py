"""Which part of a recipe is worth how much on CIFAR-10: one change at a time, at full width and full length.

    VIDI_DATA=… WORK=FOLDER python -m bench walk            every step that has no result yet, about half an hour each
    … python -m bench walk "a third of the rate"            one step

Each step trains `compact` at twice its width (64, 256 and 256 channels, those of the published recipe) for ten epochs
of 45,000 training images, and is scored on the 5,000 others, by the mean of image and mirror image. Test images are
never looked at. Operations are counted, not seconds, so other work on the machine changes no figure; WORK keeps
checkpoints, and a training that was stopped goes on. Each step and seed leaves one JSON in bench/results/walk/.
"""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any
from unittest.mock import patch

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from bench.drifting.prepare import read_batch  # noqa: E402
from bench.processor import describe  # noqa: E402
from vidi.files import write_whole  # noqa: E402
from vidi.metrics.intervals import wilson_interval  # noqa: E402
from vidi.metrics.truth import OneClass  # noqa: E402
from vidi.networks.compact import compact  # noqa: E402
from vidi.networks.layers import ACTIVATIONS, Classifier, GlobalMean  # noqa: E402
from vidi.networks.operations import operations_of  # noqa: E402
from vidi.networks.registry import NETWORKS  # noqa: E402
from vidi.networks.whitening import Whitening  # noqa: E402
from vidi.training.data import TrainingData  # noqa: E402
from vidi.training.defaults import DataTraits, recipe_for  # noqa: E402
from vidi.training.engine.settle import precision_of  # noqa: E402
from vidi.training.loop.checkpoint import NAME as CHECKPOINT  # noqa: E402
from vidi.training.loop.objective import answer  # noqa: E402
from vidi.training.train import TrainedNetwork, train_network  # noqa: E402

BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
CLASSES, SIZE = 10, (32, 32)
HELD_OUT = 5_000  # the last of the fifth batch
SEEDS = 2
FORWARD_AND_BACKWARD = 3  # times the operations of an answer: gradients of maps and of weights cost as much each
COMMON: Mapping[str, object] = {"options.width": 2.0, "epochs": 10, "views": "both"}
FIRST = "a rate of 0.24"


@contextlib.contextmanager
def smooth_activations() -> Iterator[None]:
    """GELU in place of every ReLU."""
    with (
        patch.dict(ACTIVATIONS, relu=functional.gelu),
        patch.object(nn.ReLU, "forward", lambda _, values: functional.gelu(values)),
    ):
        yield


def largest() -> AbstractContextManager[object]:
    """The largest of each channel's last map in place of its mean."""
    return patch.object(GlobalMean, "forward", lambda _, values: values.amax(dim=(2, 3)))


def learned_whitening_bias() -> AbstractContextManager[object]:
    """The whitening layer's bias learns; its weights stay."""

    def built(**asked: Any) -> Classifier:
        network = compact(**asked)
        next(one for one in network.modules() if isinstance(one, Whitening)).bias.requires_grad_(True)
        return network

    return patch.dict(NETWORKS, compact=built)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change."""

    recipe: Mapping[str, object] = field(default_factory=dict)
    network: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext  # in which it is built and answers


# Each step keeps the changes of the two before it; the last five are each alone beside these.
SLOW = {"learning_rate": 0.08}
PLAIN = SLOW | {"augmentation.erase": 0.0}
STEPS: Mapping[str, Step] = {
    FIRST: Step(recipe={"learning_rate": 0.24}),
    "a third of the rate": Step(recipe=SLOW),
    "and no erased squares": Step(recipe=PLAIN),
    "and label smoothing 0.2": Step(recipe=PLAIN | {"label_smoothing": 0.2}),
    "and GELU": Step(recipe=PLAIN, network=smooth_activations),
    "and the largest of the last map": Step(recipe=PLAIN, network=largest),
    "and a whitening bias that learns": Step(recipe=PLAIN, network=learned_whitening_bias),
    "and no running mean of the weights": Step(recipe=PLAIN | {"averaging": 0.0}),
}


def main() -> int:
    """Train what has no result yet, and print the table."""
    data = Path(os.environ.get("VIDI_DATA", ".")) / "cifar10"
    if not data.exists():
        print(f"{data} is not there: left out", file=sys.stderr)
        return 0
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "walk"))
    asked = sys.argv[1:] or list(STEPS)
    unknown = [name for name in asked if name not in STEPS]
    if unknown:
        sys.exit(f"there is no step {unknown[0]!r}; use one of {', '.join(map(repr, STEPS))}")
    with tempfile.TemporaryDirectory() as name:
        work = Path(os.environ.get("WORK", name))
        images, labels = read_images(data)
        for seed in range(SEEDS):
            for step in asked:
                path = results / f"{named(step)}-{seed}.json"
                if not path.exists():
                    with STEPS[step].network():
                        found = measure(step, images, labels, seed=seed, folder=work / f"{named(step)}-{seed}")
                    write_whole(path, json.dumps(found, indent=1) + "\n")
    print_table(results)
    return 0


def named(step: str) -> str:
    """As part of a file's name."""
    return step.replace(" ", "-")


def read_images(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All training images and their labels, in the order of the batches."""
    batches = [read_batch(folder / f"{name}.bin") for name in BATCHES]
    return np.concatenate([images for images, _ in batches]), np.concatenate([labels for _, labels in batches])


def measure(
    step: str, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int, folder: Path
) -> dict[str, Any]:
    """Train one step with one seed, or go on with it, and score it on the images that were held out."""
    rows = np.arange(len(labels))
    data = TrainingData(
        images=images,
        truth=OneClass(labels=labels, class_count=CLASSES),
        train_rows=rows[:-HELD_OUT],
        validation_rows=rows[-HELD_OUT:],
    )
    traits = DataTraits(image_count=len(data.train_rows), class_count=CLASSES, usual_size=SIZE, is_grey=False)
    recipe = recipe_for(traits, changes={**COMMON, **STEPS[step].recipe, "seed": seed})
    trained = train_network(data, recipe, folder=folder, resume=(folder / CHECKPOINT).exists())
    scores = {}
    for name, both in (("image and mirror image", True), ("one view", False)):
        trained.single.both_ways = both
        right = int((answers(trained, data).argmax(axis=1) == labels[data.validation_rows]).sum())
        interval = wilson_interval(right, HELD_OUT)
        assert interval is not None  # only of no image there is none
        scores[name] = {"value": right / HELD_OUT, "low": interval.low, "high": interval.high, "n": HELD_OUT}
    trained.single.both_ways = False
    forward = operations_of(trained.single, SIZE)
    return {
        "step": step,
        "seed": seed,
        "date": datetime.now(UTC).date().isoformat(),
        "processor": describe(),
        "precision": precision_of(trained.recipe),
        "recipe": trained.recipe.as_dict(),
        "epochs": [row.validation_accuracy for row in trained.history],
        "best_epoch": trained.best_epoch,
        "operations": float(FORWARD_AND_BACKWARD * forward * len(data.train_rows) * len(trained.history)),
        "scores": scores,
    }


def answers(trained: TrainedNetwork, data: TrainingData) -> NDArray[np.float32]:
    """What the network says of the images that were held out: (images, classes)."""
    return answer(
        trained.single,
        data.images,
        data.validation_rows,
        normalisation=trained.normalisation,
        precision=precision_of(trained.recipe),
    )


def print_table(results: Path) -> None:
    """What is there so far, in Markdown."""
    print("| step | seeds | both views | one view | after 1 epoch | after 5 | operations |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for step in STEPS:
        found = [json.loads(path.read_text()) for path in sorted(results.glob(f"{named(step)}-[0-9]*.json"))]
        if not found:
            print(f"| {step} | not measured | | | | | |")
            continue
        both, alone = (mean(one["scores"][view]["value"] for one in found) for view in found[0]["scores"])
        first, fifth = (mean(one["epochs"][epoch] for one in found) for epoch in (0, 4))
        print(
            f"| {step} | {len(found)} | {both:.2%} | {alone:.2%} | {first:.1%} | {fifth:.1%} | "
            f"{found[0]['operations']:.2g} |"
        )


if __name__ == "__main__":
    sys.exit(main())
