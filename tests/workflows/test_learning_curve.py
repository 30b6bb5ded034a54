"""Would more images help? Said by a run on features, and by one from scratch where it is diagnostics."""

import json
from pathlib import Path

import pytest
from tests.draw import PARTS, class_folders
from tests.workflows.heard import Heard

from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import Diagnostics, TrainRequest
from vidi.workflows.train import train

pytestmark = [
    pytest.mark.slow,  # trains, although only for seconds
    pytest.mark.usefixtures("undrawn"),
]

CHANGES = {
    "freeze": True,
    "image_size": (32, 32),
    "features": "onnxruntime",
    "head": "multinomial",
    "head_strength": 30.0,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data"), kinds=("disc", "square", "stripes"), each=60)


def said(heard: Heard) -> list[str]:
    return [one for one in heard.sentences if one.startswith(("Twice the images", "More images of these classes"))]


def test_a_run_on_features_says_it_in_the_terminal_in_the_figures_and_in_the_report(data: Path, tmp_path: Path):
    heard = Heard()

    run = train(
        TrainRequest(
            data=DataRequest(source=str(data)), output=tmp_path / "run", pretrained="lite0", changes=dict(CHANGES)
        ),
        events=heard.events,
    )

    (sentence,) = said(heard)
    found = json.loads((run.folder / "metrics.json").read_text())["learning_curve"]
    assert found["images"] == found["held_out"] == 144
    assert len(found["counts"]) == len(found["errors"]) >= 3
    assert [row["class"] for row in found["per_class"]] == ["disc", "square", "stripes"]
    assert found["gain"]["low"] <= found["gain"]["value"] <= found["gain"]["high"]
    page = (run.folder / "report.html").read_text("utf-8")
    section = page.split('id="more"')[1].split("</section>")[0]
    assert sentence.split(".")[0] in section
    assert "<svg" in section


@pytest.mark.integration
def test_a_network_from_scratch_says_it_where_it_is_asked(tmp_path: Path):
    data = class_folders(tmp_path / "data", kinds=("disc", "square", "stripes"), each=60, parts=PARTS)
    heard = Heard()

    run = train(
        TrainRequest(
            data=DataRequest(source=str(data)),
            output=tmp_path / "run",
            diagnostics=Diagnostics(learning_curve=True),
            changes={"epochs": 1, "precision": "float32", "options.width": 0.25},
        ),
        events=heard.events,
    )

    assert len(said(heard)) == 1
    assert any("computing features with lite0" in sentence for sentence in heard.sentences)
    metrics = json.loads((run.folder / "metrics.json").read_text())
    assert metrics["learning_curve"]["features_of"] == "lite0"
    assert metrics["label_errors"]["left_out"] == 0


def test_too_few_images_say_nothing(tmp_path: Path):
    few = class_folders(tmp_path / "data", kinds=("disc", "stripes"), each=8)
    heard = Heard()

    run = train(
        TrainRequest(
            data=DataRequest(source=str(few)), output=tmp_path / "run", pretrained="lite0", changes=dict(CHANGES)
        ),
        events=heard.events,
    )

    assert said(heard) == []
    assert "learning_curve" not in json.loads((run.folder / "metrics.json").read_text())
    assert "Would more images help" not in (run.folder / "report.html").read_text("utf-8")
