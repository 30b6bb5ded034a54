"""A loaded model file answers about images."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.draw import draw
from tests.model_file.tiny import tiny_model
from vidi.errors import ModelError, ShapeError
from vidi.images.framing import Framing
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


@pytest.mark.parametrize("framing", [Framing(size=(24, 16)), Framing(size=(24, 24), mode="crop", shrink_to=(9, 9))])
def test_framing_on_the_host_gives_the_answer_of_the_bare_graph(tmp_path: Path, framing: Framing):
    predictor = Predictor.load(tiny_model(tmp_path / "model.onnx", framing=framing).path)

    for size in ((24, 16), (24, 24), (1, 1), (200, 31), (9, 9), (5, 400)):
        image = draw("stripes", size=size)
        (on_host,) = predictor.predict([image])
        bare = predictor.run(image[None])["probabilities"][0]
        np.testing.assert_allclose(on_host.probabilities, bare, atol=0.01)


def test_several_threads_may_share_a_predictor(tmp_path: Path):
    predictor = Predictor.load(tiny_model(tmp_path / "model.onnx").path)
    images = [draw("disc", seed=seed) for seed in range(40)]
    expected = predictor.probabilities(images)

    with ThreadPoolExecutor(8) as threads:
        rows = list(threads.map(lambda image: predictor.probabilities([image])[0], images))

    np.testing.assert_allclose(np.stack(rows), expected, atol=1e-6)


def test_a_batch_may_be_asked_for_any_of_its_outputs(tmp_path: Path):
    predictor = Predictor.load(tiny_model(tmp_path / "model.onnx").path)
    images = np.stack([draw("disc", size=(16, 16), seed=seed) for seed in range(3)])

    everything = predictor.run(images)
    one = predictor.run(images, ("embedding",))

    assert {name: value.shape for name, value in everything.items()} == {
        "probabilities": (3, 3),
        "embedding": (3, 4),
        "evidence": (3, 3, 16, 16),
    }
    np.testing.assert_array_equal(one["embedding"], everything["embedding"])
