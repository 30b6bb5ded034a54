"""A network that slides says of a window what it says of the same window by itself, in however little memory."""

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.cases import few_fast
from vidi.detection import locate as locating
from vidi.detection.locate import WindowSearch, locate
from vidi.detection.slide import BandedMap, BandedStage, CutOutWindows, _windows, log_odds, slide
from vidi.images.framing import Framing
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.write import write_model
from vidi.networks.build import build_network
from vidi.networks.side_by_side import Ensemble
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.engines import batch_size
from vidi.prediction.predictor import Predictor

KINDS = ("compact", "compact both ways", "ensemble", "textbook", "lite0", "lite0-grid", "resnet50", "vgg16")
BANDED = ("compact both ways", "ensemble", "textbook", "lite0", "resnet50")
SIZES = {"lite0": (64, 64), "lite0-grid": (64, 48), "resnet50": (64, 64), "vgg16": (64, 64), "textbook": (32, 32)}


def predictor_of(kind: str, folder: Path) -> Predictor:
    from vidi.networks.options import NetworkOptions

    name = "compact" if kind in ("compact both ways", "ensemble") else kind
    size = SIZES.get(name, (32, 24))
    activation = "gelu" if kind == "compact both ways" else None
    width = 0.125 if name in ("compact", "resnet50", "vgg16") else None
    narrow = NetworkOptions(width=width, activation=activation)
    networks = [
        build_network(name, image_size=size, class_count=3, options=narrow, seed=seed).eval().requires_grad_(False)
        for seed in range(2 if kind == "ensemble" else 1)
    ]
    networks[0].both_ways = kind == "compact both ways"
    network = Ensemble(networks) if kind == "ensemble" else networks[0]
    metadata = ModelMetadata(classes=("a", "b", "c"), framing=Framing(size=size, mode="stretch"))
    write_model(folder / "model.onnx", to_onnx(network, size), metadata)
    return Predictor.load(folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Predictor]:
    return cache(lambda kind: predictor_of(kind, tmp_path_factory.mktemp("model")))


def random_image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


@dataclass
class Watched:
    """A session that notes how large the maps are that it is given."""

    session: object
    fed: list[tuple[int, ...]] = field(default_factory=list)

    def run(self, names, inputs):
        self.fed += [values.shape for values in inputs.values()]
        return self.session.run(names, inputs)


@pytest.mark.parametrize("kind", few_fast(BANDED))
def test_a_map_in_bands_is_the_map_of_the_whole(kind, made):
    predictor = made(kind)
    height, width = predictor.metadata.framing.size
    level = random_image(3 * height, width)
    for banded in slide(predictor.model).maps:
        (whole,) = replace(banded, band_bytes=1 << 40).bands(level)
        bands = list(replace(banded, band_bytes=1).bands(level))

        assert len(bands) == whole.shape[2]
        np.testing.assert_allclose(np.concatenate(bands, axis=2), whole, rtol=1e-4, atol=1e-4)


def test_the_answers_of_bands_are_those_of_the_whole(made):
    sliding = slide(made("ensemble").model)
    level = random_image(200, 80)

    whole = sliding.answer(level)
    sliding.maps = [replace(one, band_bytes=100_000) for one in sliding.maps]
    banded = sliding.answer(level)

    np.testing.assert_allclose(banded, whole, atol=1e-4)


@pytest.mark.slow  # a large image
def test_no_more_of_a_large_image_is_worked_out_at_once_than_fits_in_a_band(made):
    (banded,) = slide(made("lite0").model).maps
    watched = [BandedStage(one.stage, Watched(one.session)) for one in banded.stages]
    band_bytes = 4_000_000

    for _ in BandedMap(tuple(watched), band_bytes).bands(random_image(2048, 128)):
        pass

    assert len(watched) > 3
    for one in watched:
        for shape in one.session.fed:
            rows, columns = shape[one.stage.axis : one.stage.axis + 2]
            least = one.stage.reach.above + one.stage.reach.below + 2 * one.stage.reach.stride
            assert rows * columns * one.stage.pixel_bytes <= max(band_bytes, least * columns * one.stage.pixel_bytes)


def test_the_means_of_windows_take_little_more_memory_than_themselves():
    maps = np.random.default_rng(0).standard_normal((1, 1280, 24, 40), dtype=np.float32)

    tracemalloc.start()
    means = _windows(maps, (8, 6), pool=True)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert means.shape == (1, 17, 35, 1280, 1, 1)
    np.testing.assert_allclose(means[0, 3, 5, :, 0, 0], maps[0, :, 3:11, 5:11].mean(axis=(1, 2)), atol=1e-5)
    assert most < 2.5 * means.nbytes + 2_000_000


class Counting(Predictor):
    """Notes how many images it is given at once."""

    most = 0

    def run(self, images, outputs=None):
        self.most = max(self.most, len(images))
        return super().run(images, outputs)


@pytest.mark.slow  # half a second of convolutions
def test_windows_are_looked_at_a_few_at_a_time(made, monkeypatch: pytest.MonkeyPatch):
    framing = made("lite0").metadata.framing
    cut, again = (Counting(made("lite0").engine, made("lite0").model) for _ in range(2))

    CutOutWindows(cut).answer(random_image(128, 120))
    search = WindowSearch(classes=(0, 1, 2), least=1e-6, most=60)
    monkeypatch.setattr(locating, "OVERLAP", 1.0)
    monkeypatch.setattr(locating, "STEPS_PER_OCTAVE", 1)
    locate(random_image(70, 90), slide(again.model), again, search)

    assert (cut.most, again.most) == (batch_size(framing), batch_size(framing) // 4)
    assert cut.most < 60


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            kind, marks=pytest.mark.integration("its dense layers alone are 120 MB") if kind == "vgg16" else ()
        )
        for kind in KINDS
    ],
)
def test_a_level_of_one_window_gets_the_files_own_answer(kind, made):
    predictor = made(kind)
    sliding = slide(predictor.model)
    image = np.random.default_rng(0).integers(0, 255, (*predictor.metadata.framing.size, 3), np.uint8)

    odds = sliding.answer(image)

    assert odds.shape == (1, 1, 3)
    probabilities = predictor.run(image[None], ("probabilities",))["probabilities"][0]
    np.testing.assert_allclose(1 / (1 + np.exp(-odds[0, 0])), probabilities, atol=1e-5)


@pytest.mark.parametrize("kind", ["compact", "compact both ways", "textbook"])
def test_what_is_moved_by_a_step_is_answered_a_step_further(kind, made):
    predictor = made(kind)
    sliding = slide(predictor.model)
    step, (height, width) = sliding.stride, predictor.metadata.framing.size
    image = np.random.default_rng(1).integers(0, 255, (height + 8 * step, width + 8 * step, 3), np.uint8)

    here, there = sliding.answer(image), sliding.answer(image[step:, step:])

    edge = 3  # windows whose maps see the level's edge
    inner = slice(edge, -edge)
    np.testing.assert_allclose(there[inner, inner], here[1:, 1:][inner, inner], atol=1e-4)


def test_a_network_that_mixes_all_places_at_once_cannot_slide(tmp_path):
    network = build_network("dense", image_size=(16, 16), class_count=2).eval()
    metadata = ModelMetadata(classes=("a", "b"), framing=Framing(size=(16, 16), mode="stretch"))
    write_model(tmp_path / "model.onnx", to_onnx(network, (16, 16)), metadata)

    assert slide(Predictor.load(tmp_path).model) is None


def test_log_odds_tell_apart_what_probabilities_no_longer_do():
    odds = log_odds(np.array([[60.0, 0.0], [70.0, 0.0]]))

    np.testing.assert_allclose(odds[:, 0], [60, 70])


def test_log_odds_are_those_of_the_probabilities():
    logits = np.random.default_rng(0).normal(0, 3, (4, 5, 30))
    powers = np.exp(logits)
    shares = powers / powers.sum(axis=-1, keepdims=True)

    np.testing.assert_allclose(log_odds(logits), np.log(shares / (1 - shares)), atol=1e-9)
