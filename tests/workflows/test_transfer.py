"""From pretrained weights to a tested model file."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.draw import class_folders, draw
from tests.workflows.heard import Heard

from vidi.data.cache import PixelCache, cache_folder
from vidi.errors import UnknownNameError, UsageError
from vidi.model_file.read import read_model
from vidi.prediction.predictor import Predictor
from vidi.training.heads import features as of_heads
from vidi.training.recipe import Recipe
from vidi.workflows.interaction.events import Event, Events, StageProgress
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run.learning import backbones
from vidi.workflows.train import Run, resume, train

pytestmark = [
    pytest.mark.slow,  # trains, although only for seconds
    pytest.mark.usefixtures("undrawn"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data"), kinds=("disc", "stripes"), each=30)


def request(data: Path, output: Path, **others: object) -> TrainRequest:
    changes = {"image_size": (32, 32), "features": "onnxruntime", "freeze": True, **others.pop("changes", {})}
    return TrainRequest(
        data=DataRequest(source=str(data)), output=output, changes=changes, **{"pretrained": "lite0", **others}
    )


def featured(heard: Heard) -> int:
    """Number of images whose features were computed."""
    return max(
        (event.done for event in heard.all if isinstance(event, StageProgress) and event.what == "computing features"),
        default=0,
    )


@dataclass(frozen=True, slots=True)
class Whole:
    """A run that was not interrupted, what it said, and the cache that it left."""

    run: Run
    heard: Heard
    looked_at: frozenset[int]  # rows whose features were computed
    cache: Path

    @property
    def weights(self) -> str | None:
        return read_model(self.run.folder).metadata.weights_digest


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder, heard, seen = tmp_path_factory.mktemp("whole"), Heard(), set[int]()
    embed = backbones.embed_images

    def spy(network, images, rows, **others):
        seen.update(rows.tolist())
        return embed(network, images, rows, **others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDI_CACHE", str(folder / "cache"))
        patch.setattr(backbones, "embed_images", spy)
        patch.setattr(of_heads, "embed_images", spy)
        run = train(request(data, folder / "run"), events=heard.events)
    return Whole(run, heard, frozenset(seen), folder / "cache")


def test_a_head_on_frozen_features_becomes_a_tested_model_file(whole: Whole):
    run, heard = whole.run, whole.heard

    assert run.finished
    assert run.test.accuracy.value > 0.9
    metadata = read_model(run.folder).metadata
    assert metadata.provenance.weights_license == "Apache-2.0"
    assert metadata.provenance.recipe["pretrained"] == "lite0"
    assert metadata.calibration.image_count == 48  # out of folds: train and validation
    recipe = Recipe.from_toml((run.folder / "recipe.toml").read_text())
    assert recipe.freeze
    assert recipe.head in ("multinomial", "ridge", "gaussian")
    assert recipe.sources["head"].startswith("measured:")
    assert featured(heard) == 48
    assert any(sentence.startswith("head: ") for sentence in heard.sentences)
    (answer,) = Predictor.load(run.folder).predict([draw("disc", seed=999)])
    assert answer.label == "disc"


def test_the_test_images_are_not_looked_at_before_the_test(whole: Whole):
    parts = [line.split(",") for line in (whole.run.folder / "splits.csv").read_text().splitlines()]
    place = parts[0].index("part")
    assert len(whole.looked_at) == sum(line[place] in ("train", "validation") for line in parts[1:])


def test_a_second_run_takes_the_features_from_the_cache_and_gives_the_same_weights(
    whole: Whole, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VIDI_CACHE", str(whole.cache))
    heard = Heard()

    again = train(request(data, tmp_path / "again"), events=heard.events)

    assert featured(heard) == 0
    assert read_model(again.folder).metadata.weights_digest == whole.weights


def test_a_damaged_feature_cache_is_computed_anew(
    whole: Whole, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(whole.cache, tmp_path / "cache")
    monkeypatch.setenv("VIDI_CACHE", str(tmp_path / "cache"))
    (entry,) = (e for e in PixelCache(cache_folder()).entries() if e.byte_count == 4096 + 48 * 1280 * 4)
    content = bytearray(entry.path.read_bytes())
    content[-1] ^= 1
    entry.path.write_bytes(content)
    heard = Heard()

    again = train(request(data, tmp_path / "again"), events=heard.events)

    assert featured(heard) == 48
    assert read_model(again.folder).metadata.weights_digest == whole.weights


@pytest.mark.integration
def test_weights_and_sizes_are_tried_and_the_reasons_written_down(data: Path, tmp_path: Path):
    heard, asked = Heard(), request(data, tmp_path / "run", pretrained="auto")
    changes = {"features": "onnxruntime", "freeze": True}

    run = train(
        TrainRequest(data=asked.data, output=asked.output, pretrained="auto", changes=changes), events=heard.events
    )

    recipe = Recipe.from_toml((run.folder / "recipe.toml").read_text())
    tried = [one for one in recipe.sources["image_size"].removeprefix("measured: ").split("; ") if "compared" in one]
    assert len(tried) == 2
    assert not any("compared on" in sentence for sentence in heard.sentences)  # of use to those who read recipes
    assert "lite0 at 128x128" in tried[0]
    assert "lite0 at 96x96" in tried[0]
    assert "lite2 at" in tried[1]
    assert read_model(run.folder).metadata.framing.size == recipe.image_size


def test_a_run_that_ended_before_its_head_was_fitted_is_resumed(whole: Whole, data: Path, tmp_path: Path):
    def break_off(event: Event) -> None:
        if isinstance(event, StageProgress) and event.what == "computing features":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(request(data, tmp_path / "run"), events=Events(break_off))
    assert not (tmp_path / "run" / "model.onnx").exists()

    run = resume(tmp_path / "run")

    assert run.finished
    assert read_model(run.folder).metadata.weights_digest == whole.weights


def test_grey_training_images_give_a_model_that_sees_no_colour(tmp_path: Path):
    grey = class_folders(tmp_path / "data", kinds=("disc", "stripes"), each=20, grey=True)
    model = Predictor.load(train(request(grey, tmp_path / "run")).folder)
    colourful = draw("disc", seed=3)
    weights = np.array([0.299, 0.587, 0.114])
    brightness = np.rint(colourful @ weights).astype(np.uint8)[..., None].repeat(3, axis=2)

    in_colour, in_grey = model.predict([colourful, brightness])

    assert abs(in_colour.probability - in_grey.probability) < 0.05


@pytest.mark.parametrize("others", [{"network": "compact"}, {"weights": "runs/other"}])
def test_two_places_for_the_network_to_come_from_are_refused(data: Path, tmp_path: Path, others):
    with pytest.raises(UsageError, match="both choose the network"):
        train(request(data, tmp_path / "run", **others))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("others", [{"network": "compact", "pretrained": None}, {"pretrained": "none"}])
def test_freezing_a_network_that_is_not_pretrained_is_refused(data: Path, tmp_path: Path, others):
    with pytest.raises(UsageError, match="--freeze trains only a head"):
        train(request(data, tmp_path / "run", **others))
    assert not (tmp_path / "run").exists()


def test_unknown_weights_and_sizes_that_do_not_fit_are_refused_before_anything_is_written(data: Path, tmp_path: Path):
    with pytest.raises(UnknownNameError, match="lite9"):
        train(request(data, tmp_path / "run", pretrained="lite9"))
    with pytest.raises(UsageError, match="multiples of 32"):
        train(request(data, tmp_path / "run", changes={"image_size": (40, 40)}))
    assert not (tmp_path / "run").exists()


def test_the_report_names_where_the_weights_come_from(whole: Whole):
    run = whole.run

    page = (run.folder / "report.html").read_text("utf-8")
    assert "lite0" in page
    assert "Apache-2.0" in page
    assert "Apache-2.0" in (run.folder / "model_card.md").read_text("utf-8")
    assert json.loads((run.folder / "metrics.json").read_text())["training"]["epochs"] == 0


@pytest.mark.integration
def test_without_images_neither_pixels_of_any_size_nor_features_stay_in_the_cache(
    data: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.setenv("VIDI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(backbones, "CLEARLY", 10.0)  # the second size is taken, so that all is decoded twice
    asked = request(data, tmp_path / "run")

    train(
        TrainRequest(data=asked.data, output=asked.output, pretrained="lite0", changes={"freeze": True}, images=False)
    )

    assert list((tmp_path / "cache").rglob("*.pixels")) == []
