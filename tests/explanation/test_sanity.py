"""Whether the maps tell the truth: where the evidence is known, when the weights are lost, when the image vanishes."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.cases import few_fast
from tests.explanation.squares import SIDE, SIZE, as_predictor, draw_squares, square_network, train_squares
from tests.threads import one_thread  # noqa: F401  # a fixture for all tests here
from vidi.explanation import deletion_curve, enlarge, evidence_for, occlude, occlusion_map, random_map
from vidi.prediction.predictor import Predictor
from vidi.workflows.explaining.image import answers_of

FILL = np.full(3, 128, np.uint8)
MAPS = ("evidence", "occlusion")
REGION = 4  # pixels a side


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return as_predictor(train_squares(), tmp_path_factory.mktemp("squares") / "model.onnx")


def maps_of(predictor: Predictor, images: np.ndarray, labels: np.ndarray, kind: str) -> list[np.ndarray]:
    """The map of each image for its class, as large as the image."""
    if kind == "evidence":
        given = predictor.run(images, ("evidence",))["evidence"]
        return [enlarge(evidence_for(one, label), SIZE) for one, label in zip(given, labels, strict=True)]
    predict = answers_of(predictor)
    return [
        occlusion_map(occlude(predict, image, fill=FILL, patch=(8, 8), stride=4), label)
        for image, label in zip(images, labels, strict=True)
    ]


@pytest.mark.parametrize("kind", few_fast(MAPS))
def test_the_map_is_strongest_on_the_square(trained: Predictor, kind: str):
    images, labels, corners = draw_squares(20, seed=2)

    found = [
        np.subtract(np.unravel_index(one.argmax(), SIZE), corner)
        for one, corner in zip(maps_of(trained, images, labels, kind), corners, strict=True)
    ]

    margin = REGION // 2 if kind == "evidence" else 0  # a region's middle may lie that far outside
    assert all((place >= -margin).all() and (place < SIDE + margin).all() for place in found)


@pytest.mark.parametrize("kind", few_fast(MAPS))
def test_the_map_is_lost_with_the_weights(trained: Predictor, tmp_path: Path, kind: str):
    # Adebayo et al. 2018, Sanity checks for saliency maps: a map that stays shows the image, not the network.
    images, labels, _ = draw_squares(12, seed=3)
    before = maps_of(trained, images, labels, kind)

    likeness = []
    for seed in (1, 2, 3):
        lost = as_predictor(square_network(seed=seed), tmp_path / f"{seed}.onnx")
        after = maps_of(lost, images, labels, kind)
        likeness += [spearmanr(one, other, axis=None).statistic for one, other in zip(before, after, strict=True)]

    assert abs(np.mean(likeness)) < 0.4


@pytest.mark.parametrize("kind", MAPS)
def test_taking_away_what_the_map_marks_changes_the_answer_sooner_than_chance_does(trained: Predictor, kind: str):
    # Petsiuk, Das and Saenko 2018, RISE.
    images, labels, _ = draw_squares(12, seed=4)
    predict, random = answers_of(trained), np.random.default_rng(0)

    gained = {"deletion": [], "insertion": []}
    for image, label, marked in zip(images, labels, maps_of(trained, images, labels, kind), strict=True):
        blind = random_map((8, 8), SIZE, random)
        blank = np.broadcast_to(FILL, image.shape)
        for name, before, after in (("deletion", image, FILL), ("insertion", blank, image)):
            curves = [deletion_curve(predict, before, one, class_index=label, fill=after) for one in (marked, blind)]
            gained[name].append(np.trapezoid(curves[0] - curves[1]) / (len(curves[0]) - 1))

    assert max(gained["deletion"]) < 0.05
    assert np.mean(gained["deletion"]) < -0.1
    assert np.mean(gained["insertion"]) > 0.1
