"""Two model files on the same images: who wins, what is set aside, and what is written."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.draw import draw, encoded
from tests.model_file.tiny import with_provenance
from tests.report.pages import Page
from tests.workflows.heard import Heard

import vidi
from vidi.cli.app import VERBS
from vidi.data.splitting.split_plan import Assignment, write_assignments
from vidi.errors import DataError, GateError, UsageError
from vidi.evaluation.uses import FILE
from vidi.files import digest_of_file
from vidi.images.framing import Framing
from vidi.model_file.learned_from import DigestFilter
from vidi.model_file.metadata import ModelMetadata, Provenance
from vidi.model_file.read import read_model
from vidi.model_file.write import set_metadata, write_model
from vidi.networks.build import build_network
from vidi.networks.to_onnx import to_onnx
from vidi.report.pages.compare import comparison_rows
from vidi.workflows.compare import compare
from vidi.workflows.comparing import CompareResult, read_comparison
from vidi.workflows.report import rebuild_report
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.model_file import CompareRequest

BRIGHTNESS = {"dark": 20, "middle": 120, "light": 230}


def make_model(folder: Path, *, favours: str, classes: tuple[str, ...] = ("dark", "light")) -> Path:
    """A model file that gives one answer to every image; two such are right about different ones."""
    import torch

    folder.mkdir()
    network = build_network("compact", image_size=(16, 16), class_count=len(classes)).eval()
    with torch.no_grad():
        last = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
        last.weight.zero_()
        last.bias.copy_(torch.tensor([2.0 if name == favours else 0.0 for name in classes]))
    metadata = ModelMetadata(
        classes=classes,
        framing=Framing(size=(16, 16)),
        provenance=Provenance(network="compact", run=folder.name),
    )
    write_model(folder / "model.onnx", to_onnx(network, (16, 16)), metadata)
    return folder


def brightness_folders(root: Path, **counts: int) -> Path:
    """Images of one brightness; the class says which."""
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            image = np.full((16, 16, 3), BRIGHTNESS[name], np.uint8)
            image[0, 0] = number
            (root / name / f"{number:03}.png").write_bytes(encoded(image))
    return root


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Each test works in a folder of its own: `comparisons/` appears there."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return make_model(folder / "says-dark", favours="dark"), make_model(folder / "says-light", favours="light")


def compared(models, data, *, events=None, parts=None, names=None, **options) -> CompareResult:
    request = CompareRequest(
        first=models[0], second=models[1], data=DataRequest(source=str(data), parts=parts or {}, names=names), **options
    )
    return compare(request, events=events or Heard().events)


def test_the_better_model_is_named_with_figures_a_page_and_every_disagreement(models, tmp_path):
    data = brightness_folders(tmp_path / "shades", dark=4, light=20)

    found = compared(models, data)

    assert found.folder.as_posix() == "comparisons/shades"
    assert found.sentence.startswith("says-light is better than says-dark: accuracy of says-light 83.3")
    found.require_better()
    document = read_comparison(found.folder)
    assert document["sentence"] == found.sentence
    assert (document["accuracy"]["only_a_right"], document["accuracy"]["only_b_right"]) == (4, 20)
    rows = list(csv.DictReader((found.folder / "disagreements.csv").read_text().splitlines()))
    assert [row["right"] for row in rows] == ["b"] * 20 + ["a"] * 4
    page = Page((found.folder / "compare.html").read_text())
    assert "says-light is better than says-dark" in page.text
    assert len([image for image in page.all("img") if image["src"].startswith("data:")]) == 24


@pytest.mark.slow  # compares twice
def test_a_worse_model_and_too_little_evidence_do_not_pass_the_gate(models, tmp_path):
    worse = compared(models, brightness_folders(tmp_path / "a", dark=20, light=4))
    unclear = compared(models, brightness_folders(tmp_path / "b", dark=6, light=9))
    even = compared(models, brightness_folders(tmp_path / "c", dark=5, light=5))

    assert worse.sentence.startswith("says-light is worse than says-dark")
    assert unclear.sentence.startswith("Not enough evidence that either is better")
    assert "more images would show it." in unclear.sentence
    assert "To show a difference of one point, about" in even.sentence
    for each in (worse, unclear, even):
        with pytest.raises(GateError, match="says-light is not shown to be better than says-dark"):
            each.require_better()


def test_the_same_model_twice_shows_no_difference(models, tmp_path):
    heard = Heard()

    found = compared(
        (models[0], models[0]), brightness_folders(tmp_path / "shades", dark=4, light=4), events=heard.events
    )

    assert found.sentence == "No difference: both models classify the same 4 of 8 images correctly."
    assert "both are the same model file" in heard.sentences
    assert not Page((found.folder / "compare.html").read_text()).all("img")


def test_the_terminal_gets_a_line_for_each_class_with_its_verdict(models, tmp_path):
    found = compared(models, brightness_folders(tmp_path / "shades", dark=3, light=20))

    rows = comparison_rows(read_comparison(found.folder))

    assert any("light (20)" in row[0] and row[-1] == "says-light is better" for row in rows)
    assert any("dark (3)" in row[0] and "not enough evidence: about" in row[-1] for row in rows)


def test_images_that_either_learned_from_are_set_aside(tmp_path):
    data = brightness_folders(tmp_path / "shades", dark=4, light=4)
    models = make_model(tmp_path / "a", favours="dark"), make_model(tmp_path / "b", favours="light")
    for model, name in zip(models, ("dark/000.png", "light/000.png"), strict=True):
        row = Assignment(digest_of_file(data / name), name, "", "train", "v1:70-10-0-20:seed0")
        write_assignments(model / "splits.csv", [row])

    found = compared(models, data)

    assert found.account.used == 6
    assert {(entry.path, entry.code) for entry in found.account.set_aside} == {
        ("dark/000.png", "learned-from"),
        ("light/000.png", "learned-from"),
    }
    assert all(len((model / FILE).read_text().splitlines()) == 1 for model in models)


def test_a_model_outside_its_run_folder_is_said_not_to_know_what_it_learned(models, tmp_path):
    heard = Heard()

    compared(models, brightness_folders(tmp_path / "shades", dark=2, light=2), events=heard.events)

    assert "says-dark is not in its run folder: vidi cannot tell which images it was trained on" in heard.sentences


def test_images_that_a_copied_model_file_learned_from_are_set_aside(models, tmp_path):
    data, heard = brightness_folders(tmp_path / "shades", dark=4, light=4), Heard()
    known = DigestFilter.of([digest_of_file(data / "dark" / "000.png")])
    copies = tmp_path / "a.onnx", tmp_path / "b.onnx"
    for model, copy in zip(models, copies, strict=True):
        shutil.copyfile(model / "model.onnx", copy)
        set_metadata(
            copy,
            with_provenance(read_model(copy).metadata, learned_from=(known,)),
        )

    found = compared(copies, data, events=heard.events)

    assert [entry.path for entry in found.account.set_aside] == ["dark/000.png"]
    assert not any("run folder" in sentence for sentence in heard.sentences)


def test_models_with_other_classes_are_compared_on_those_that_both_know(models, tmp_path):
    heard = Heard()
    wider = make_model(tmp_path / "wider", favours="middle", classes=("dark", "light", "middle"))
    data = brightness_folders(tmp_path / "shades", dark=3, light=3, middle=2)

    found = compared((models[0], wider), data, events=heard.events)

    assert found.account.used == 6
    assert [entry.code for entry in found.account.set_aside] == ["class-not-shared"] * 2
    assert "2 images skipped: at least one model does not know their class (middle 2)" in heard.sentences
    assert "only wider knows middle: predicting it counts as wrong here" in heard.sentences
    assert set(found.comparison.per_class) == {"dark", "light"}


def test_a_class_that_each_calls_by_another_name_is_one(models, tmp_path):
    other = make_model(tmp_path / "other", favours="bright", classes=("dark", "bright"))
    data = brightness_folders(tmp_path / "shades", dark=2, light=18)

    found = compared((models[0], other), data, names="light=bright")

    assert found.comparison.overall.verdict == "better"
    assert set(found.comparison.per_class) == {"dark", "bright"}


def test_what_cannot_be_compared_is_refused_before_anything_is_written(models, tmp_path):
    data = brightness_folders(tmp_path / "shades", dark=2, light=2)
    only_light = make_model(tmp_path / "lights", favours="light", classes=("light", "middle"))
    only_dark = make_model(tmp_path / "darks", favours="dark", classes=("dark", "middle"))

    with pytest.raises(DataError, match="no class of the data in common"):
        compared((only_dark, only_light), data)
    with pytest.raises(UsageError, match="holds a run"):
        compared(models, data, output=models[0], overwrite=True)
    assert not (tmp_path / "comparisons").exists()


def test_a_bad_image_is_refused_once_and_the_rest_is_compared(models, tmp_path):
    data = brightness_folders(tmp_path / "shades", dark=3, light=3)
    (data / "dark" / "broken.png").write_bytes(encoded(draw("disc"))[:90])

    found = compared(models, data)

    assert (found.account.used, len(found.account.refused)) == (6, 1)


@pytest.mark.slow  # writes two pages
def test_without_pictures_there_is_none_and_the_page_can_be_made_again(models, tmp_path):
    data = brightness_folders(tmp_path / "shades", dark=2, light=8)
    bare, shown = compared(models, data, images=False), compared(models, data)
    before = (shown.folder / "compare.html").read_bytes()

    again = rebuild_report(shown.folder)

    assert again.read_bytes() == before
    for folder in (bare.folder, rebuild_report(bare.folder).parent):
        page = Page((folder / "compare.html").read_text())
        assert not page.all("img")
        assert "light/003.png" in page.text


def test_images_of_one_group_count_once(models, tmp_path):
    brightness_folders(tmp_path / "shades", dark=3, light=20)
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name},one" for path in (tmp_path / "shades").rglob("*.png")]
    (tmp_path / "table.csv").write_text("\n".join(["path,label,group", *rows]))

    found = compared(models, tmp_path / "table.csv")

    assert (found.comparison.overall.counts.group_count, found.comparison.overall.verdict) == (1, "not shown")


@pytest.mark.slow  # a comparison of its own
def test_in_python_it_is_one_call_that_shows_itself(models, tmp_path):
    found = vidi.compare(*models, brightness_folders(tmp_path / "shades", dark=4, light=20), output=tmp_path / "out")

    found.plot().save(tmp_path / "figure.svg")

    assert "says-light is better than says-dark" in found._repr_html_()
    assert "difference between the two models" in (tmp_path / "figure.svg").read_text()


def test_on_the_command_line_the_gate_ends_with_seven(models, tmp_path, capsys, monkeypatch):
    from vidi.cli.app import main

    data = brightness_folders(tmp_path / "shades", dark=8, light=4)
    line = ["vidi", "compare", *map(str, models), str(data), "--json"]
    endings = {}
    for name, more in (("plain", []), ("gate", ["--gate"])):
        monkeypatch.setattr("sys.argv", [*line, "--output", str(tmp_path / name), *more])
        with pytest.raises(SystemExit) as ended:
            main()
        endings[name] = (ended.value.code, json.loads(capsys.readouterr().out)["accuracy"]["verdict"])

    assert "compare" in VERBS
    assert endings == {"plain": (0, "not shown"), "gate": (7, "not shown")}


@pytest.mark.slow  # a comparison of its own
def test_hostile_names_stay_text(tmp_path):
    name = "<b>light"
    models = [make_model(tmp_path / favours, favours=favours, classes=("dark", name)) for favours in ("dark", name)]
    data = brightness_folders(tmp_path / "shades", dark=2, light=3)
    (data / "light").rename(data / name)

    found = compared(models, data)

    html = (found.folder / "compare.html").read_text()
    assert name not in html
    assert html.count("&lt;b&gt;light") >= 5  # in the figure, the table and the cards
