"""What a trained model remembers for noticing drift, and that none of it comes from images that it learned from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.draw import class_folders
from tests.workflows.heard import Heard

from vidi.data.splitting.split_plan import Assignment, write_assignments
from vidi.files import digest_of
from vidi.model_file.drift_reference import DriftReference, Histogram
from vidi.model_file.read import read_model
from vidi.prediction.prediction import Answer
from vidi.prediction.predictor import Predictor
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.train import train

SMALL = {"epochs": 2, "options.width": 0.25, "augmentation.flip": "none"}
PARTS = ("train", "train", "validation", "calibration", "test")

pytestmark = [
    pytest.mark.slow,  # trains, although only for seconds
    pytest.mark.usefixtures("undrawn"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data"), kinds=("disc", "stripes"), each=60)


def by_parts(data: Path, parts: tuple[str, ...]) -> dict[str, list[Path]]:
    """The images of each part, in turns."""
    found: dict[str, list[Path]] = {part: [] for part in parts}
    for number, path in enumerate(sorted(data.rglob("*.png"))):
        found[parts[number % len(parts)]].append(path)
    return found


def request(data: Path, place: Path, parts: dict[str, list[Path]]) -> TrainRequest:
    rows = [
        Assignment(
            digest=digest_of(path.read_bytes()),
            path=str(path.relative_to(data)),
            group=str(path.relative_to(data)),
            part=part,
            rule="v1:70-10-10-10:seed0",
        )
        for part, paths in parts.items()
        for path in paths
    ]
    write_assignments(place / "splits.csv", rows)
    source = DataRequest(source=str(data), split_file=place / "splits.csv")
    return TrainRequest(data=source, changes=SMALL, output=place / "run", minutes=0.5)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on images of which some are for calibration."""
    return train(request(data, tmp_path_factory.mktemp("whole"), by_parts(data, PARTS))).folder


def answers_about(run: Path, paths: list[Path]) -> list[Answer]:
    """What the shipped file says of these images."""
    return list(Predictor.load(run).predict_files(paths, embedding=True, statistics=True))


def distances(reference: DriftReference, answers: list[Answer]) -> np.ndarray:
    """(placed,): how far each image of the reference lies from the nearest of these, as a share of their extent."""
    embeddings = reference.images.embeddings
    places = embeddings.projection().place(np.stack([answer.embedding for answer in answers]))
    return np.linalg.norm(embeddings.placed()[:, None] - places[None], axis=2).min(axis=1) / np.ptp(places)


@pytest.mark.parametrize("part", ["calibration", pytest.param("validation", marks=pytest.mark.integration)])
def test_no_image_of_the_reference_was_learned_from(data: Path, whole: Path, tmp_path: Path, part: str):
    given = PARTS if part == "calibration" else tuple(name for name in PARTS if name != "calibration")
    parts = by_parts(data, given)

    run = whole if part == "calibration" else train(request(data, tmp_path, parts)).folder

    reference = read_model(run).metadata.drift_reference
    own, learned = answers_about(run, parts[part]), answers_about(run, parts["train"])
    assert (reference.images.part, reference.images.image_count) == (part, len(parts[part]))
    for name, histogram in reference.images.qualities.items():
        assert histogram == Histogram.of(np.array([getattr(answer.statistics, name) for answer in own]))
    assert reference.images.embeddings.image_count == len(own) // 2
    assert distances(reference, own).max() < 1e-3
    assert np.median(distances(reference, learned)) > 0.01  # they are others, not the same ones within rounding


def test_answers_come_from_networks_that_had_not_seen_the_image(data: Path, whole: Path):
    parts = by_parts(data, PARTS)

    metadata = read_model(whole).metadata
    reference = metadata.drift_reference
    assert (reference.basis, reference.answer_count) == ("calibration", len(parts["calibration"]))
    novelty = [answer.prediction.novelty for answer in answers_about(whole, parts["calibration"])]
    assert sum(reference.novelty.counts) == len(novelty)
    assert reference.novelty.edges[0] == pytest.approx(min(novelty), rel=1e-3)
    assert reference.novelty.edges[-1] == pytest.approx(max(novelty), rel=1e-3)
    assert (metadata.verdict.basis, metadata.verdict.image_count) == (reference.basis, reference.answer_count)
    assert sum(reference.classes) == sum(reference.verdicts.values()) == reference.answer_count


def test_without_a_calibration_part_the_answers_are_out_of_fold(data: Path, tmp_path: Path):
    parts = by_parts(data, ("train", "train", "train", "test"))

    heard = Heard()
    run = train(request(data, tmp_path, parts), events=heard.events).folder

    reference = read_model(run).metadata.drift_reference
    assert reference.basis == "out-of-fold"
    assert (reference.answer_count, reference.images) == (len(parts["train"]), None)
    assert [said for said in heard.sentences if said.startswith("the drift reference holds answers alone")]


@pytest.mark.integration
def test_without_images_no_embedding_goes_into_the_file(data: Path, tmp_path: Path):
    parts = by_parts(data, PARTS)

    run = train(replace(request(data, tmp_path, parts), images=False)).folder

    reference = read_model(run).metadata.drift_reference
    assert reference.images.embeddings is None
    assert reference.images.image_count == len(parts["calibration"])


@pytest.mark.integration
def test_images_that_the_earlier_weights_learned_from_are_left_out(data: Path, whole: Path, tmp_path: Path):
    first = by_parts(data, PARTS)
    calibration = first["train"][::2] + first["calibration"]
    turned = {**first, "train": first["train"][1::2], "calibration": calibration}

    run = train(replace(request(data, tmp_path, turned), weights=whole)).folder

    metadata = read_model(run).metadata
    assert metadata.verdict.image_count == len(calibration)
    assert metadata.drift_reference.answer_count == len(first["calibration"])
    assert metadata.drift_reference.images.image_count == len(first["calibration"])
