"""Whether the maps of `vidi explain` tell the truth on photographs: deletion, insertion, and weights that are lost.

    VIDI_DATA=… python -m bench explain              ten kinds of clothing, a head on learned features
    IMAGES=20 VIDI_DATA=… python -m bench explain    fewer test images

A model is trained; on evenly spaced images of its test part, the image vanishes (deletion) or appears (insertion) by
the evidence map of the answer, by its occlusion map, and by maps that know nothing and are as coarse as either. A map
that tells the truth has a smaller area under the deletion's curve and a larger one under the insertion's. Then the
weights of the network are shuffled within each layer, and the maps compared: those that stay show the image, not the
network.
Leaves bench/results/explain/clothing.json, or a file in the folder that RESULTS names.
"""

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import numpy as np  # noqa: E402
import onnx  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402

from bench.processor import measured_here  # noqa: E402
from vidi.data.splitting.split_plan import read_assignments  # noqa: E402
from vidi.explanation import Map, Predict, deletion_curve, enlarge, evidence_for, occlude, occlusion_map, random_map  # noqa: E402  # noqa: E402  # noqa: E402
from vidi.files import write_atomic  # noqa: E402
from vidi.images.framing import place_in_frame  # noqa: E402
from vidi.images.pool import DecodeJob, read_images  # noqa: E402
from vidi.prediction.engines import open_onnxruntime  # noqa: E402
from vidi.prediction.predictor import Predictor  # noqa: E402
from vidi.workflows.explaining.image import answers_of  # noqa: E402
from vidi.workflows.interaction.request import DataRequest, read_source  # noqa: E402
from vidi.workflows.train import TrainRequest, train  # noqa: E402

REPEATS = 2_000  # resamples of the images for an interval
KINDS = ("evidence", "occlusion")
MOST_LIKE = 0.5  # rank correlation of a map with that of a network whose weights are lost


def main() -> int:
    """Measure; 1 where a map is no better than chance, or stays when the weights are lost."""
    data = Path(os.environ.get("VIDI_DATA", "."))
    if not (data / "clothing.zip").exists():
        print(f"clothing.zip is not in VIDI_DATA ({data}): left out", file=sys.stderr)
        return 0
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "explain"))
    found = measure(DataRequest(source=str(data / "clothing.zip")), images=int(os.environ.get("IMAGES", "60")))
    write_atomic(results / "clothing.json", json.dumps(found, indent=1) + "\n")
    print(f"n = {found['images']}, {found['network']} at {'x'.join(map(str, found['image_size']))}")
    good = True
    for kind in KINDS:
        one = found[kind]
        for curve in ("deletion", "insertion"):
            gain = one[curve]
            print(
                f"{kind} {curve}: area {gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f}) beside chance"
            )
        print(f"{kind}: rank correlation with the map of shuffled weights {one['likeness']:+.2f}")
        good &= one["deletion"]["high"] < 0 < one["insertion"]["low"] and abs(one["likeness"]) < MOST_LIKE
    return 0 if good else 1


def measure(request: DataRequest, *, images: int) -> dict[str, Any]:
    """Train once, then ask about test images."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(os.environ.get("RUN", Path(place) / "run"))
        if not folder.exists():
            train(TrainRequest(data=request, pretrained="lite0", changes={"freeze": True}, output=folder))
        predictor = Predictor.load(folder)
        test = [row.path for row in read_assignments(folder / "splits.csv") if row.part == "test"]
    some = test[:: max(1, len(test) // images)][:images]
    lost, outcomes = with_lost_weights(predictor), []
    for number, read in enumerate(
        read_images(read_source(request).store, some, DecodeJob(framing=predictor.metadata.framing))
    ):
        if read.image is not None and read.size is not None:
            place_of = place_in_frame(read.size, predictor.metadata.framing)
            outcomes.append(ask(predictor, lost, read.image, place_of, np.random.default_rng([3, number])))
    return {
        "images": len(outcomes),
        "network": predictor.metadata.provenance.network,
        "image_size": list(predictor.metadata.framing.size),
        **{kind: summed_up([outcome[kind] for outcome in outcomes]) for kind in KINDS},
        **measured_here(),
    }


def ask(
    predictor: Predictor,
    lost: Predictor,
    image: NDArray[np.uint8],
    place: tuple[int, int, int, int],
    random: np.random.Generator,
) -> dict[str, dict[str, float]]:
    """What the maps of one image gain over chance, and how like they are to those of lost weights."""
    fill = np.array(predictor.metadata.normalisation.mean).round().astype(np.uint8)
    predict, label = answers_of(predictor), int(predictor.run(image[None])["probabilities"][0].argmax())
    maps, others = (maps_of(one, image, label, fill, place) for one in (predictor, lost))
    outcome = {}
    for kind in KINDS:
        size = (image.shape[0], image.shape[1])
        regions = maps["evidence"].shape if kind == "evidence" else (5, 5)  # five patches a side cover an image
        blind = random_map((regions[0], regions[1]), size, random)
        areas = [
            areas_of(predict, image, one, label=label, fill=fill, place=place)
            for one in (enlarge(maps[kind], size), blind)
        ]
        outcome[kind] = {
            "deletion": areas[0][0] - areas[1][0],
            "insertion": areas[0][1] - areas[1][1],
            "likeness": likeness(maps[kind], others[kind]),
        }
    return outcome


def likeness(one: Map, other: Map) -> float:
    """The rank correlation of two maps; 0 where one is the same everywhere."""
    if min(np.ptp(one), np.ptp(other)) == 0:
        return 0.0
    return float(spearmanr(one, other, axis=None).statistic)


def maps_of(
    predictor: Predictor,
    image: NDArray[np.uint8],
    label: int,
    fill: NDArray[np.uint8],
    place: tuple[int, int, int, int],
) -> dict[str, Map]:
    """Both maps of one image for a class, over the frame."""
    asked = occlude(answers_of(predictor), image, fill=fill, place=place)
    evidence = evidence_for(predictor.run(image[None], ("evidence",))["evidence"][0], label)
    return {"evidence": evidence, "occlusion": occlusion_map(asked, label)}


def areas_of(
    predict: Predict,
    image: NDArray[np.uint8],
    importance: Map,
    *,
    label: int,
    fill: NDArray[np.uint8],
    place: tuple[int, int, int, int],
) -> tuple[float, float]:
    """The areas under deletion and insertion, within the image's own place."""
    held, (top, left, height, width) = np.full_like(importance, np.nan), place
    inside = slice(max(0, top), top + height), slice(max(0, left), left + width)
    held[inside] = importance[inside]
    blank = np.broadcast_to(fill, image.shape)
    gone = deletion_curve(predict, image, held, class_index=label, fill=fill)
    come = deletion_curve(predict, blank, held, class_index=label, fill=image)
    return float(np.trapezoid(gone)) / (len(gone) - 1), float(np.trapezoid(come)) / (len(come) - 1)


def with_lost_weights(predictor: Predictor) -> Predictor:
    """The same network with each layer's weights shuffled, in memory."""
    random, network = np.random.default_rng(5), onnx.load_model_from_string(predictor.model.data)
    for tensor in network.graph.initializer:
        if tensor.name.endswith(".weight"):
            values = numpy_helper.to_array(tensor)
            tensor.raw_data = random.permutation(values.ravel()).reshape(values.shape).tobytes()
    model = replace(predictor.model, data=network.SerializeToString())
    return Predictor(open_onnxruntime(model), model)


def summed_up(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Means over the images, with 95 % intervals from resampled images."""
    random, found = np.random.default_rng(1), {}
    for name in ("deletion", "insertion"):
        values = np.array([row[name] for row in rows])
        means = values[random.integers(0, len(values), (REPEATS, len(values)))].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        found[name] = {"value": float(values.mean()), "low": float(low), "high": float(high)}
    return {**found, "likeness": float(np.mean([row["likeness"] for row in rows]))}


if __name__ == "__main__":
    sys.exit(main())
