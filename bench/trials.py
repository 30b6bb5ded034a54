"""Two trials on features that are computed once: heads on features of unit length, and EfficientNet-Lite1.

    VIDI_DATA=… LITE1=…/efficientnet-lite1-77cc7160.pth python -m bench trials

Both lost: see docs/decisions/0068. Made of training images alone, and of clothing's `validation` part.
Few: 5 images a class, DRAWS times, features of Lite0 and Lite2; today's choice of a head by cross-validation, the same
with logistic regression on centred features of unit length among the candidates, and that alone.
Lite1: SEEDS draws of 200 to 600 images; the log loss and accuracy held out in cross-validation of each network alone,
of today's pair and of Lite1 with Lite2, and the accuracy on images kept aside. Without LITE1 this part is left out.
SET names one set. Each draw leaves one JSON in bench/results/trials/, or in the folder that RESULTS names.
"""

import io
import os
import statistics
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from bench.photo_sets import SETS as SOURCES
from bench.processor import describe, kind, measured_here
from bench.time_to_accuracy import kept
from vidi.groups import split_learnable_folds
from vidi.images.framing import choose_framing, frame_image
from vidi.machine import core_count
from vidi.networks import lite
from vidi.networks.build import blank_network
from vidi.networks.exported import graph_bytes
from vidi.networks.layers import Classifier, GlobalMean
from vidi.networks.lite import FEATURES
from vidi.networks.options import NetworkOptions
from vidi.networks.pretrained import recognise
from vidi.networks.pretrained.packaged import packaged_weights
from vidi.networks.pretrained.weights import begin_with, read_restricted
from vidi.networks.to_onnx import to_onnx
from vidi.training.defaults import backbone_sizes
from vidi.training.heads import linear
from vidi.training.heads.linear import Examples, LinearHead, choose_head, multinomial

DRAWS, PER_CLASS, SEEDS, BATCH = 6, 5, 3, 16
ENOUGH_FOR_BLOCKS = 500
SETS: Mapping[str, tuple[str, int, int]] = {  # source in `photo_sets`, images read, images that Lite1 is tried on
    "clothing": ("clothing-1000", 1_600, 600),
    "faces": ("faces", 400, 200),
    "coco-crops": ("coco-crops", 600, 200),
    "cifar10": ("cifar10-500", 1_200, 500),
    "fashion": ("fashion-700", 1_200, 600),
}
WAYS: Mapping[str, tuple[str, ...]] = {
    "lite0": ("lite0",),
    "lite1": ("lite1",),
    "lite2": ("lite2",),
    "lite0+lite2": ("lite0", "lite2"),
    "lite1+lite2": ("lite1", "lite2"),
}
UNIT = "unit length"
HEADS = dict(linear.HEADS)


@dataclass(frozen=True, eq=False)
class Featured:
    """A set, and what each network makes of it."""

    labels: Any  # (images,)
    groups: Any  # (images,)
    is_aside: Any  # (images,) images that are scored alone; none where any may be
    features: Mapping[str, Any]  # (images, features with those of the last blocks)

    def of(self, names: Sequence[str], *, blocks: bool) -> Any:
        """The features of some networks side by side."""
        return np.concatenate([self.features[one][:, : None if blocks else FEATURES] for one in names], axis=1)


@dataclass(frozen=True)
class UnitHead:
    """Logits of centred features of unit length."""

    head: LinearHead
    centre: Any

    def logits(self, features: Any) -> Any:
        """(batch, features) to (batch, classes)."""
        return self.head.logits(unit_length(features, self.centre))


def unit_length(features: Any, centre: Any) -> Any:
    """Features less a centre, of one length: the root of their number, about as large as standardised ones."""
    centred = features - centre
    return centred * features.shape[1] ** 0.5 / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)


def fit_unit_length(known: Examples, strengths: Sequence[float]) -> list[Any]:
    """Wang and others 2019, SimpleShot (arXiv 1911.04623): what they call CL2N, before logistic regression."""
    centre = known.features.mean(axis=0)
    heads = multinomial(replace(known, features=unit_length(known.features, centre)), strengths)
    return [UnitHead(head, centre) for head in heads]


def network(name: str, path: str) -> Classifier:
    """A Lite network with the features of its last blocks; Lite1 from its file."""
    options = NetworkOptions(block_features=True)
    if name != "lite1":
        made = blank_network(name, image_size=(64, 64), class_count=2, options=options)
        begin_with(made, packaged_weights(name))
        return made.eval()
    layers, count = lite._map(width=1.0, depth=1.1, options=options)
    made = Classifier(layers.append(GlobalMean()), nn.Linear(count, 2))
    tensors = {key: one for key, one in read_restricted(Path(path)).items() if not key.startswith("_fc")}
    naming = recognise.find_naming(tensors)
    assert naming is not None
    found, unknown = recognise.translate_names(tensors, naming, frozenset(made.state_dict()))
    assert not unknown
    assert set(made.load_state_dict(found, strict=False).missing_keys) <= {"head.weight", "head.bias"}
    return made.eval()


def read_set(name: str, data: Path, names: Sequence[str], lite1: str) -> Featured:
    """Read a set, and compute its features."""
    import onnxruntime

    source, most, _ = SETS[name]
    items = list(SOURCES[source].read(data / SOURCES[source].source))
    chosen = np.sort(np.random.default_rng(0).permutation(len(items))[:most])
    items = [items[index] for index in chosen]
    read = len(items)
    if name == "clothing":
        with zipfile.ZipFile(data / "clothing.zip") as archive:
            some = [one for one in sorted(archive.namelist()) if one.startswith("validation/") and one.endswith(".jpg")]
            items += [(Path(one).parent.name, one, archive.read(one)) for one in some]
    images = [np.asarray(Image.open(io.BytesIO(content)).convert("RGB")) for *_, content in items]
    sizes = [(image.shape[0], image.shape[1]) for image in images]
    size = backbone_sizes((int(np.median([one[0] for one in sizes])), int(np.median([one[1] for one in sizes]))))[0]
    framing = choose_framing(sizes, size)
    pixels = np.stack([frame_image(image, framing) for image in images])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = core_count()
    features = {}
    for one in names:
        data_of = graph_bytes(to_onnx(network(one, lite1), size))
        session = onnxruntime.InferenceSession(data_of, sess_options=options, providers=["CPUExecutionProvider"])
        parts = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
        inputs = [np.ascontiguousarray((part.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2)) for part in parts]
        features[one] = np.concatenate([session.run(["embedding"], {"inputs": part})[0] for part in inputs])
    classes = sorted({label for label, _, _ in items})
    return Featured(
        labels=np.array([classes.index(label) for label, _, _ in items]),
        groups=np.unique([group for _, group, _ in items], return_inverse=True)[1],
        is_aside=np.arange(len(items)) >= read,
        features=features,
    )


def try_few(one: Featured, draw: int) -> dict[str, Any]:
    """5 images a class: accuracy of today's choice, of that with the new head among the candidates, and of it alone."""
    rows, scored = draw_few(one, draw)
    features, labels = one.of(WAYS["lite0+lite2"], blocks=False), one.labels
    folds = split_learnable_folds([str(group) for group in one.groups[rows]], labels=labels[rows], seed=0)
    found: dict[str, Any] = {"learned": len(rows), "n": len(scored)}
    linear.HEADS = {**HEADS, UNIT: (fit_unit_length, (1_000.0, 300.0, 100.0, 30.0, 10.0))}
    fit = linear._fit
    linear._fit = lambda known, best: (  # type: ignore[assignment]
        fit_unit_length(known, (best.strength,))[0] if best.kind == UNIT else fit(known, best)
    )
    for way, kinds in (("today", tuple(HEADS)), ("among", (*HEADS, UNIT)), ("alone", (UNIT,))):
        chosen = choose_head(
            features[rows], labels[rows], fold_of=folds, class_count=int(labels.max()) + 1, kinds=kinds
        )
        right = chosen.head.logits(features[scored]).argmax(axis=1) == labels[scored]
        found[way], found[f"{way} chose"] = round(float(right.mean()), 6), chosen.best.kind
    linear._fit = fit
    return {**found, **measured_here()}


def draw_few(one: Featured, draw: int) -> tuple[Any, Any]:
    """Rows to learn from and rows to score."""
    random, pool, labels = np.random.default_rng(draw), np.flatnonzero(~one.is_aside), one.labels
    known = [label for label in range(labels.max() + 1) if (labels[pool] == label).sum() >= PER_CLASS + 3]
    rows = np.sort(np.concatenate([random.permutation(pool[labels[pool] == label])[:PER_CLASS] for label in known]))
    if one.is_aside.any():
        return rows, np.flatnonzero(one.is_aside)
    others = np.flatnonzero(np.isin(labels, known) & ~np.isin(one.groups, one.groups[rows]))
    return rows, np.setdiff1d(others, rows)


def try_lite1(one: Featured, name: str, seed: int) -> dict[str, Any]:
    """Log loss and accuracy of each network or pair in cross-validation, and accuracy on images kept aside."""
    rows, scored = draw_many(one, name, seed)
    labels = one.labels
    folds = split_learnable_folds([str(group) for group in one.groups[rows]], labels=labels[rows], seed=seed)
    found: dict[str, Any] = {"learned": len(rows), "n": len(scored)}
    for way, parts in WAYS.items():
        features = one.of(parts, blocks=len(rows) >= ENOUGH_FOR_BLOCKS)
        chosen = choose_head(
            features[rows],
            labels[rows],
            fold_of=folds,
            class_count=int(labels.max()) + 1,
            kinds=("multinomial",),
            strengths=(1_000.0, 300.0, 100.0),
        )
        right = chosen.head.logits(features[scored]).argmax(axis=1) == labels[scored]
        found[way] = {
            "log_loss": round(chosen.best.log_loss, 6),
            "held_out": round(chosen.best.accuracy, 6),
            "aside": round(float(right.mean()), 6),
        }
    return {**found, **measured_here()}


def draw_many(one: Featured, name: str, seed: int) -> tuple[Any, Any]:
    """Rows to learn from and rows to score; images of a group lie on one side."""
    random, pool, labels = np.random.default_rng([seed, 0x11]), np.flatnonzero(~one.is_aside), one.labels
    place = {group: number for number, group in enumerate(random.permutation(np.unique(one.groups[pool])).tolist())}
    order = np.array(sorted(pool, key=lambda row: place[one.groups[row]]))
    rows = np.sort(order[: SETS[name][2]])
    if name == "faces":
        rows = np.sort(np.concatenate([random.permutation(np.flatnonzero(labels == one))[:5] for one in range(40)]))
    if one.is_aside.any():
        return rows, np.flatnonzero(one.is_aside)
    others = (
        ~np.isin(order, rows) & ~np.isin(one.groups[order], one.groups[rows]) & np.isin(labels[order], labels[rows])
    )
    return rows, order[others][:600]


def main() -> int:
    """Measure what is missing, and print both tables."""
    data, lite1 = Path(os.environ.get("VIDI_DATA", ".")), os.environ.get("LITE1", "")
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "trials")) / kind()
    names = [one for one in ("lite0", "lite1", "lite2") if one != "lite1" or lite1]
    few: dict[str, list[dict[str, Any]]] = {}
    many: dict[str, list[dict[str, Any]]] = {}
    for name, (source, _, _) in SETS.items():
        if os.environ.get("SET", name) != name or not (data / SOURCES[source].source).exists():
            continue
        read: list[Featured] = []

        def featured(name: str = name, read: list[Featured] = read) -> Featured:
            return read[0] if read else (read.append(read_set(name, data, names, lite1)) or read[0])  # type: ignore[func-returns-value]

        few[name] = [
            kept(results / f"few-{name}-{draw}.json", lambda d=draw, f=featured: try_few(f(), d))
            for draw in range(DRAWS)
        ]
        if lite1:
            many[name] = [
                kept(results / f"lite1-{name}-{seed}.json", lambda s=seed, n=name, f=featured: try_lite1(f(), n, s))
                for seed in range(SEEDS)
            ]
    if not few:
        print(f"{data} has none of these sets: left out", file=sys.stderr)
        return 0
    print_few(few)
    print_lite1(many)
    return 0


def difference(values: Sequence[float]) -> str:
    """The mean in points, with half a 95 % interval."""
    half = 1.96 * statistics.stdev(values) / len(values) ** 0.5
    return f"{100 * statistics.mean(values):+.1f} ± {100 * half:.1f}"


def print_few(few: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    """5 images a class."""
    print(f"{describe()}; {PER_CLASS} images a class, {DRAWS} draws")
    print("| set | n | today | unit length among the candidates | alone |")
    print("|---|---|---|---|---|")
    for name, rows in few.items():
        today = [row["today"] for row in rows]
        gains = [
            difference([row[way] - own for row, own in zip(rows, today, strict=True)]) for way in ("among", "alone")
        ]
        print(f"| {name} | {rows[0]['n']} | {statistics.mean(today):.1%} | {' | '.join(gains)} |")


def print_lite1(many: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    """Each network, and the pairs."""
    for what in ("held_out", "aside"):
        print(f"\n| accuracy, {what} | learned | n | {' | '.join(WAYS)} |")
        print("|---" * (3 + len(WAYS)) + "|")
        for name, rows in many.items():
            means = [f"{statistics.mean(row[way][what] for row in rows):.1%}" for way in WAYS]
            print(f"| {name} | {rows[0]['learned']} | {rows[0]['n']} | {' | '.join(means)} |")
    every = [row for rows in many.values() for row in rows]
    for way, before in (("lite1", "lite0"), ("lite1", "lite2"), ("lite1+lite2", "lite0+lite2")):
        for what in ("held_out", "aside"):
            print(f"{way} - {before}, {what}: {difference([row[way][what] - row[before][what] for row in every])}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
