"""A loaded model file answers about images."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.draw import draw, encoded
from tests.model_file.hostile_models import changed
from tests.model_file.tiny import tiny_model
from vidi.errors import ModelError, ShapeError
from vidi.images.framing import Framing
from vidi.model_file.digests import OWN_PREFIX
from vidi.prediction.predictor import Predictor

Images = NDArray[np.uint8]  # (batch, height, width, 3)


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


def test_an_embedding_comes_only_where_it_is_asked_for(tmp_path: Path):
    predictor = Predictor.load(tiny_model(tmp_path / "model.onnx").path)
    images = np.stack([draw("disc", size=(16, 16), seed=seed) for seed in range(3)])

    silent, telling = predictor.predict(images), predictor.predict(images, embedding=True)

    assert [one.embedding for one in silent] == [None] * 3
    np.testing.assert_array_equal(
        [one.embedding for one in telling], predictor.run(images, ("embedding",))["embedding"]
    )
    np.testing.assert_array_equal([one.probabilities for one in silent], [one.probabilities for one in telling])


def test_what_is_not_asked_for_is_not_computed(tmp_path: Path):
    asked: list[Sequence[str]] = []

    class Listening(Predictor):
        def run(
            self, images: NDArray[np.uint8], outputs: Sequence[str] | None = None
        ) -> dict[str, NDArray[np.float32]]:
            asked.append(outputs or ())
            return super().run(images, outputs)

    predictor = Listening.load(tiny_model(tmp_path / "model.onnx").path)

    predictor.predict([draw("disc")])
    predictor.predict([draw("disc")], embedding=True)

    assert asked == [["probabilities"], ["probabilities", "embedding"]]


def test_one_path_alone_is_answered_as_one_path(tmp_path: Path):
    predictor = Predictor.load(tiny_model(tmp_path / "model.onnx").path)
    path = tmp_path / "a.png"
    path.write_bytes(encoded(draw("disc")))

    answers = [list(predictor.predict_files(given)) for given in (str(path), path, [path], [str(path)])]

    assert [[answer.path for answer in each] for each in answers] == [[str(path)]] * 4
    assert all(each[0].error is None for each in answers)


def test_pillow_images_are_answered_as_arrays_are(tmp_path: Path):
    predictor = Predictor.load(tiny_model(tmp_path / "model.onnx").path)
    arrays = [draw("disc", size=(20, 31)), draw("stripes")[:, :, 0]]
    pictures = [Image.fromarray(array) for array in arrays]

    np.testing.assert_array_equal(predictor.probabilities(pictures), predictor.probabilities(arrays))
    assert [one.label for one in predictor.predict(pictures)] == [one.label for one in predictor.predict(arrays)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros((24, 18, 3), np.uint8), r"one image of shape \(24, 18, 3\) was given where images belong"),
        (np.zeros((5, 24, 18, 4), np.uint8), r"an array of shape \(5, 24, 18, 4\) and type uint8"),
        (np.zeros((5, 24, 18, 3), np.float32), r"an array of shape \(5, 24, 18, 3\) and type float32"),
        (np.zeros((24, 18), np.uint8), r"an array of shape \(24, 18\) and type uint8"),
        (["a.jpg"], r"a\.jpg is a path"),
        (Image.new("RGB", (4, 4)), "one image was given where a list of images belongs"),
    ],
)
def test_what_is_no_list_of_images_is_refused_with_its_whole_shape(tmp_path: Path, given: object, said: str):
    predictor = Predictor.load(tiny_model(tmp_path / "model.onnx").path)

    with pytest.raises(ShapeError, match=said):
        predictor.predict(given)


def test_an_answer_that_overflows_is_an_error_and_never_nan(tmp_path):
    good = tiny_model(tmp_path / "model.onnx").data

    def swell(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            if not tensor.name.startswith(OWN_PREFIX) and tensor.data_type == onnx.TensorProto.FLOAT:
                values = np.full(tuple(tensor.dims), 3e38, np.float32)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))

    predictor = Predictor.from_bytes(changed(good, swell))
    with pytest.raises(ModelError, match="its probabilities for an image is not a number"):
        predictor.predict([np.full((8, 8, 3), 200, np.uint8)])
