"""A loaded model file answers about images."""

from pathlib import Path

import numpy as np
import pytest

from tests.draw import draw
from tests.model_file.tiny import tiny_model
from vidi.errors import ModelError, ShapeError
from vidi.prediction.predictor import Predictor


def test_images_of_any_size_get_one_prediction_each_in_order(tmp_path: Path):
    predictor = Predictor.load(tiny_model(tmp_path / "model.onnx").path)
    images = [draw("disc", size=size) for size in ((16, 16), (1, 1), (40, 7), (16, 16), (3, 90))]

    together = predictor.predict(images)

    alone = [predictor.predict([image])[0] for image in images]
    assert [prediction.label for prediction in together] == [prediction.label for prediction in alone]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)
        assert one.probability == one.probabilities.max()


def test_the_most_probable_classes_come_first(tmp_path: Path):
    predictor = Predictor.load(tiny_model(tmp_path / "model.onnx").path)

    (prediction,) = predictor.predict([draw("stripes")])

    names, values = zip(*prediction.top(2), strict=True)
    assert names[0] == prediction.label
    assert list(values) == sorted(prediction.probabilities.tolist(), reverse=True)[:2]


def test_a_run_folder_stands_for_its_model(tmp_path: Path):
    tiny_model(tmp_path / "model.onnx")

    assert Predictor.load(tmp_path).classes == ("class 0", "class 1", "class 2")


def test_an_array_that_is_no_image_is_refused(tmp_path: Path):
    predictor = Predictor.load(tiny_model(tmp_path / "model.onnx").path)

    with pytest.raises(ShapeError, match=r"shape \(4, 4\) and type float64"):
        predictor.predict([np.zeros((4, 4))])


def test_a_folder_without_a_model_is_refused(tmp_path: Path):
    with pytest.raises(ModelError, match=r"holds no model\.onnx"):
        Predictor.load(tmp_path)
