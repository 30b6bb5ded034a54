"""Average precision by hand, and as pycocotools counts it."""

import contextlib
import io

import numpy as np
import pytest

from vidi.metrics.detection import FoundBoxes, detection_curve, match_boxes, pointing_game


def found(boxes, scores, truth) -> FoundBoxes:
    return FoundBoxes(
        np.array(boxes, float).reshape(-1, 4), np.array(scores, float), np.array(truth, float).reshape(-1, 4)
    )


def random_images(count: int, seed: int = 0) -> list[FoundBoxes]:
    random = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        corners = random.uniform(0, 80, (random.integers(0, 5), 2))
        truth = np.concatenate([corners, corners + random.uniform(8, 30, corners.shape)], axis=1)
        near = truth[random.random(len(truth)) < 0.7] + random.uniform(-3, 3, 4)
        far = random.uniform(0, 80, (random.integers(0, 6), 2))
        boxes = np.concatenate([near, np.concatenate([far, far + 15], axis=1)])
        images.append(FoundBoxes(boxes, random.random(len(boxes)), truth))
    return images


def coco_numbers(images: list[FoundBoxes], overlap: float) -> float:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def as_coco(boxes):
        return [[box[0], box[1], box[2] - box[0], box[3] - box[1]] for box in boxes.tolist()]

    document = {
        "images": [{"id": number} for number in range(len(images))],
        "categories": [{"id": 1}],
        "annotations": [
            {"image_id": number, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for number, one in enumerate(images)
            for box in as_coco(one.truth)
        ],
    }
    for number, annotation in enumerate(document["annotations"], start=1):
        annotation["id"] = number
    results = [
        {"image_id": number, "category_id": 1, "bbox": box, "score": score}
        for number, one in enumerate(images)
        for box, score in zip(as_coco(one.boxes), one.scores.tolist(), strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = document
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.params.iouThrs = np.array([overlap])
        evaluation.evaluate()
        evaluation.accumulate()
    return float(evaluation.eval["precision"][0, :, 0, 0, -1].mean())


@pytest.mark.parametrize("overlap", [0.4, 0.5, 0.75])
def test_average_precision_is_pycocotools(overlap):
    images = random_images(40)

    ours = detection_curve(images, overlap=overlap).average_precision

    assert ours == pytest.approx(coco_numbers(images, overlap), abs=1e-9)


def test_one_hit_and_one_false_box():
    images = [found([[0, 0, 10, 10], [50, 50, 60, 60]], [0.5, 0.9], [[0, 0, 10, 10]])]

    curve = detection_curve(images)

    assert curve.precision.tolist() == [0, 0.5]
    assert curve.recall.tolist() == [0, 1]
    assert curve.average_precision == pytest.approx(0.5)
    assert curve.scores.tolist() == [0.9, 0.5]


def test_a_true_box_is_hit_once():
    one = found([[0, 0, 10, 10], [0, 0, 10, 9]], [0.4, 0.8], [[0, 0, 10, 10]])

    assert match_boxes(one).tolist() == [False, True]


def test_nothing_there_and_nothing_found():
    assert detection_curve([found([], [], [])]).average_precision is None
    assert detection_curve([found([], [], [[0, 0, 1, 1]])]).average_precision == 0
    assert detection_curve([]).average_precision is None


def test_the_order_of_the_images_does_not_matter():
    images = random_images(20, seed=3)

    assert detection_curve(images).average_precision == pytest.approx(detection_curve(images[::-1]).average_precision)


def test_the_pointing_game_counts_images_that_show_the_class():
    right = found([[0, 0, 10, 10]], [0.9], [[0, 0, 12, 12]])
    wrong = found([[30, 30, 40, 40]], [0.9], [[0, 0, 12, 12]])
    nothing, empty = found([], [], [[0, 0, 12, 12]]), found([[0, 0, 1, 1]], [0.9], [])

    assert pointing_game([right, wrong, nothing, empty]) == (1, 3)
