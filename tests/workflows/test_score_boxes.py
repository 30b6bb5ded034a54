"""Boxes of a model against those of a data set, from annotation file to figures."""

import json

import numpy as np
import pytest
from tests.detection.made_detector import grey_image, made_detector
from tests.detection.red import red_model, with_square

from vidi.errors import DataError, UsageError
from vidi.images.encode import encode_png
from vidi.workflows.evaluating.boxes import score_boxes
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.model_file import BoxSearch, EvaluateRequest

CORNERS = ((30, 60), (2, 3), (70, 100))


def coco_folder(root, *, category: str = "red"):
    """Three images with a red square each, and one without, with COCO annotations."""
    root.mkdir()
    images, annotations = [], []
    for number, corner in enumerate((*CORNERS, None), start=1):
        image = np.full((120, 160, 3), 128, np.uint8) if corner is None else with_square(corner=corner)
        (root / f"{number}.png").write_bytes(encode_png(image))
        images.append({"id": number, "file_name": f"{number}.png", "width": 160, "height": 120})
        if corner is not None:
            box = [corner[1], corner[0], 40, 40]
            annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": box})
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": category}]}
    (root / "annotations.json").write_text(json.dumps(document))
    return root


@pytest.mark.slow  # trains a network
def test_boxes_that_lie_on_the_squares_are_hits(tmp_path):
    red_model(tmp_path / "model.onnx")
    data = DataRequest(source=str(coco_folder(tmp_path / "data")))

    request = EvaluateRequest(model=tmp_path / "model.onnx", data=data, output=tmp_path / "scored")
    scored = score_boxes(request, search=BoxSearch(fills=(0.5, 0.5)))

    (red,) = scored.classes
    assert (red.name, red.true_boxes, scored.images) == ("red", 3, 4)
    assert (red.pointed, red.shown) == (3, 3)
    assert red.recall_50 == 1
    assert red.average_precision_50 == pytest.approx(1, abs=0.3)
    assert red.average_precision < red.average_precision_50
    assert scored.lines()[1].startswith("red  ")
    written = json.loads((tmp_path / "scored" / "boxes.json").read_text())
    assert written == scored.as_json()
    assert np.mean(written["classes"][0]["precision_at_recall"]["0.5"]) == pytest.approx(red.average_precision_50)
    assert f"overlap 0.5 {red.average_precision_50:.3f}" in (tmp_path / "scored" / "boxes.svg").read_text()
    assert scored.lines()[-1] == f"curves: {tmp_path}/scored/boxes.svg"


def test_an_output_that_holds_something_else_is_refused_before_any_search(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    request = EvaluateRequest(
        model=tmp_path / "model.onnx", data=DataRequest(source=str(tmp_path)), output=tmp_path / "mine"
    )

    with pytest.raises(UsageError, match="mine exists already"):
        score_boxes(request)


def test_boxes_by_another_engine_are_refused(tmp_path):
    request = EvaluateRequest(
        model=tmp_path / "model.onnx", data=DataRequest(source=str(tmp_path)), engine="openvino", output=tmp_path / "o"
    )
    with pytest.raises(UsageError, match="onnxruntime alone"):
        score_boxes(request)


def test_data_without_a_box_of_a_known_class_is_refused(tmp_path):
    red_model(tmp_path / "model.onnx")
    folder = tmp_path / "data" / "red"
    folder.mkdir(parents=True)
    (folder / "1.png").write_bytes(encode_png(with_square()))

    with pytest.raises(DataError, match="has no boxes for background, red"):
        score_boxes(EvaluateRequest(model=tmp_path / "model.onnx", data=DataRequest(source=str(tmp_path / "data"))))


def test_a_detector_and_a_model_that_is_asked_about_its_boxes_are_scored(tmp_path):
    red_model(tmp_path / "model.onnx", pools=True)
    made_detector(tmp_path / "detector.onnx")
    data = tmp_path / "data"
    (data / "labels").mkdir(parents=True)
    (data / "images").mkdir()
    (data / "classes.txt").write_text("person\nred\n")
    image = grey_image()
    image[16:24, 32:40] = 255, 0, 0  # the detector's box is 28, 12 to 52, 36
    (data / "images" / "1.png").write_bytes(encode_png(image))
    (data / "labels" / "1.txt").write_text("".join(f"{index} 0.625 0.375 0.375 0.375\n" for index in (0, 1)))

    def scored(name, **search):
        request = EvaluateRequest(
            model=tmp_path / name, data=DataRequest(source=str(data)), output=tmp_path / f"of-{name}"
        )
        return {one.name: one.average_precision_50 for one in score_boxes(request, search=BoxSearch(**search)).classes}

    assert scored("detector.onnx") == {"person": 1.0}
    assert scored("model.onnx", proposals=tmp_path / "detector.onnx", only=("person",)) == {"red": 1.0}
