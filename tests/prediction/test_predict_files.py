"""Many files to many answers: in order, none lost, whatever the files are."""

import threading
from pathlib import Path

import numpy as np
import pytest

from tests.cases import few_fast
from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from vidi.images.decode import decode_image
from vidi.images.framing import Framing
from vidi.images.limits import DecodeOptions, Limits
from vidi.images.store import BytesStore
from vidi.prediction.predictor import Predictor


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    return Predictor.load(tiny_model(tmp_path / "model.onnx", framing=Framing(size=(64, 64))).path)


def drawn_files(count: int) -> dict[str, bytes]:
    """Files of many sizes and two formats; every seventh is none."""
    files = {}
    for index in range(count):
        image = draw("disc", size=(8 + index % 50, 90 - index % 60), seed=index)
        files[f"{index:03}"] = b"no image" if index % 7 == 3 else encoded(image, format=("PNG", "JPEG")[index % 2])
    return files


@pytest.mark.parametrize("workers", few_fast([2, 1, 5]))
def test_every_path_gets_its_own_answer_in_order(predictor: Predictor, workers: int):
    files = drawn_files(150)

    answers = list(predictor.predict_files(list(files), store=BytesStore(files), workers=workers))

    assert [answer.path for answer in answers] == list(files)
    for answer in answers:
        if files[answer.path] == b"no image":
            assert answer.prediction is None
            assert answer.error is not None
            assert answer.error.code == "not-an-image"
        else:
            assert answer.prediction is not None
            (alone,) = predictor.predict([decode_image(files[answer.path]).image])
            np.testing.assert_allclose(answer.prediction.probabilities, alone.probabilities, atol=1e-5)


def test_a_stream_that_is_left_early_stops_reading(predictor: Predictor):
    files, before = drawn_files(300), set(threading.enumerate())
    read = []

    class CountingStore(BytesStore):
        def read(self, path: str) -> bytes:
            read.append(path)
            return super().read(path)

    stream = predictor.predict_files(list(files), store=CountingStore(files), workers=2)
    next(stream)
    stream.close()  # type: ignore[attr-defined]

    assert len(read) < len(files)
    assert not [one.name for one in set(threading.enumerate()) - before if one.name.startswith("vidi-")]


@pytest.mark.slow  # over a second of processor time
def test_memory_is_bounded_by_a_few_batches(predictor: Predictor):
    files = drawn_files(1_500)
    under_way, most = 0, 0
    lock = threading.Lock()

    class CountingStore(BytesStore):
        def read(self, path: str) -> bytes:
            nonlocal under_way, most
            with lock:
                under_way += 1
                most = max(most, under_way)
            return super().read(path)

    for _ in predictor.predict_files(list(files), store=CountingStore(files), workers=2):
        with lock:
            under_way -= 1

    assert most <= 8 * 64  # two threads, three batches ahead of each, and those in hand; a slow reader changes nothing


def test_the_fault_of_the_model_reaches_the_caller(predictor: Predictor):
    class Broken:
        name = "broken"

        def run(self, images: np.ndarray, outputs: list[str]) -> list:
            raise RuntimeError("broken")

    files = drawn_files(30)
    stream = Predictor(Broken(), predictor.model).predict_files(list(files), store=BytesStore(files))

    with pytest.raises(RuntimeError, match="broken"):
        list(stream)


@pytest.mark.slow  # a worker process starts
def test_a_large_image_goes_through_a_worker_process_to_the_same_answer(predictor: Predictor):
    files = {"large.png": encoded(draw("stripes", size=(300, 200))), "small.png": encoded(draw("disc"))}
    options = DecodeOptions(limits=Limits(thread_pixels=10_000))

    isolated = list(predictor.predict_files(list(files), store=BytesStore(files), options=options))

    for answer in isolated:
        assert answer.prediction is not None
        (alone,) = predictor.predict([decode_image(files[answer.path]).image])
        np.testing.assert_allclose(answer.prediction.probabilities, alone.probabilities, atol=1e-5)


def test_notes_and_digests_travel_with_the_answer(predictor: Predictor):
    data = encoded(draw("disc"))
    files = {"disc.jpg": data + b"behind the end"}

    (answer,) = predictor.predict_files(list(files), store=BytesStore(files))

    assert set(answer.notes) == {"bytes-after-end", "format-differs"}
    assert len(answer.digest) == 64


def test_each_answer_holds_the_embedding_of_its_own_image(predictor: Predictor):
    files = {f"{seed}.png": encoded(draw("disc", seed=seed)) for seed in range(20)} | {"broken.png": b"nothing"}

    answers = list(predictor.predict_files(list(files), store=BytesStore(files), workers=2, embedding=True))

    assert answers[-1].embedding is None
    for answer in answers[:-1]:
        (alone,) = predictor.predict([decode_image(files[answer.path]).image], embedding=True)
        np.testing.assert_allclose(answer.embedding, alone.embedding, rtol=1e-4)


def test_statistics_of_an_image_come_where_they_are_asked_for(predictor: Predictor):
    files = {"light.png": encoded(np.full((40, 90, 3), 200, np.uint8)), "broken.png": b"nothing"}

    silent = list(predictor.predict_files(list(files), store=BytesStore(files)))
    light, broken = predictor.predict_files(list(files), store=BytesStore(files), statistics=True)

    assert [answer.statistics for answer in (*silent, broken)] == [None] * 3
    assert light.statistics.brightness == pytest.approx(200)
    assert (light.statistics.side, light.statistics.aspect) == (60, 2.25)


def test_no_path_gives_no_answer(predictor: Predictor):
    assert list(predictor.predict_files([])) == []
