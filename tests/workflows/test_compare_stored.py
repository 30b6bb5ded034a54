"""Two evaluations of the same images are compared by what they have kept; others are refused."""

import json
from pathlib import Path

import pytest
from tests.report.pages import Page
from tests.workflows.heard import Heard
from tests.workflows.test_compare import brightness_folders, make_model

import vidi
from vidi.errors import DataError, UsageError
from vidi.workflows.compare import compare
from vidi.workflows.comparing.stored import compare_stored
from vidi.workflows.comparing.written import read_comparison
from vidi.workflows.report import rebuild_report
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.model_file import CompareRequest, StoredRequest

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, and what each said of the same images, found in two places."""
    folder = tmp_path_factory.mktemp("work")
    for name, favours in (("a", "dark"), ("b", "light")):
        make_model(folder / f"model-{name}", favours=favours)
        brightness_folders(folder / f"shades-{name}", dark=4, light=20)
        vidi.evaluate(folder / f"model-{name}", folder / f"shades-{name}", output=folder / name)
    return folder


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_kept_answers_give_the_same_comparison_as_the_models_themselves(work: Path):
    anew = compare(
        CompareRequest(first=work / "model-a", second=work / "model-b", data=DataRequest(source=str(work / "shades-a")))
    )

    kept = vidi.compare(work / "a", work / "b")

    assert kept.sentence == anew.sentence.replace("model-", "")
    first, second = read_comparison(anew.folder), read_comparison(kept.folder)
    assert second["accuracy"] == first["accuracy"]
    assert second["classes"] == first["classes"]
    assert second["log_loss"]["difference"] == pytest.approx(first["log_loss"]["difference"], abs=1e-4)
    assert second["disagreements"]["counts"] == first["disagreements"]["counts"]
    page = Page((kept.folder / "compare.html").read_text("utf-8"))
    assert len([image for image in page.all("img") if image["src"].startswith("data:")]) == 24
    rebuild_report(kept.folder, with_images=False)
    assert not Page((kept.folder / "compare.html").read_text("utf-8")).all("img")


@pytest.mark.slow  # evaluates anew
def test_answers_about_other_images_are_refused(work: Path, tmp_path: Path):
    fewer = brightness_folders(tmp_path / "fewer", dark=4, light=5)
    vidi.evaluate(work / "model-b", fewer, output=tmp_path / "b")

    with pytest.raises(DataError, match="a was evaluated on 24 images and b on 9, but only 9 are the same"):
        compare_stored(StoredRequest(first=work / "a", second=tmp_path / "b"))
    assert not (tmp_path / "comparisons").exists()


def test_an_image_with_another_class_in_each_is_named(work: Path, tmp_path: Path):
    swapped = tmp_path / "b"
    swapped.mkdir()
    for name in ("metrics.json", "evaluation.json"):
        (swapped / name).write_text((work / "b" / name).read_text("utf-8"), "utf-8")
    table = (work / "b" / "predictions.csv").read_text("utf-8")
    (swapped / "predictions.csv").write_text(table.replace(",dark,", ",light,", 1), "utf-8")

    with pytest.raises(DataError, match=r"dark/\d+\.png is of class 'dark' in a and 'light' in b"):
        compare_stored(StoredRequest(first=work / "a", second=swapped))


def test_a_model_without_data_is_asked_for_data(work: Path):
    with pytest.raises(UsageError, match=r"model-b holds no predictions to compare, and DATA is missing"):
        compare_stored(StoredRequest(first=work / "a", second=work / "model-b"))


@pytest.mark.slow  # evaluates anew
def test_classes_that_one_does_not_know_are_set_aside(work: Path, tmp_path: Path):
    other = make_model(tmp_path / "model", favours="dark", classes=("dark", "middle"))
    vidi.evaluate(other, work / "shades-a", output=tmp_path / "b")
    heard = Heard()

    found = compare_stored(StoredRequest(first=work / "a", second=tmp_path / "b"), events=heard.events)

    assert (found.account.used, len(found.account.set_aside)) == (4, 20)
    assert "20 images skipped: at least one model does not know their class" in heard.sentences
    assert json.loads((found.folder / "compare.json").read_text("utf-8"))["accuracy"]["images"] == 4
