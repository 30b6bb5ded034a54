"""Every kind of page in a real browser, on a phone and on a notebook: nothing is cut off without a word."""

from pathlib import Path

import pytest

from tests.draw import draw, encoded
from tests.report.runs import DrawnStore, add_model, make_run
from tests.report.screens import BROWSER, WIDTHS, clipped
from tests.report.test_tune_page import USUAL, document, hyperparameter
from tests.workflows.test_compare import brightness_folders, make_model
from vidi.data.inputs import find_paths
from vidi.detection.locate import Located
from vidi.images.account import Account
from vidi.model_file.read import read_model
from vidi.prediction.predictor import Predictor
from vidi.report.pages.boxes import LocatedImage, SearchSettings, write_boxes_page
from vidi.report.pages.run import write_report
from vidi.report.pages.tune import write_tune_page
from vidi.workflows.check import check
from vidi.workflows.compare import compare
from vidi.workflows.explain import explain_inputs
from vidi.workflows.explaining.pages import describe_architecture, write_network, write_pages
from vidi.workflows.requests.data import CheckRequest, DataRequest
from vidi.workflows.requests.model_file import CompareRequest

LONG = "a-photograph-with-a-name-as-cameras-and-servers-give-them-00d94e21-5891-492e"


def written(folder: Path) -> list[Path]:
    """A page of every kind, with more in it than a phone has room for."""
    run = add_model(make_run(folder / "run"))
    shades = brightness_folders(folder / "shades", dark=4, light=20)
    one, other = (make_model(folder / name, favours=shade) for name, shade in (("a", "dark"), ("b", "light")))
    (folder / f"{LONG}.png").write_bytes(encoded(draw("disc")))
    predictor, inputs = Predictor.load(one), find_paths([str(folder / f"{LONG}.png")])
    explained = explain_inputs(predictor, inputs, Account())
    (why,) = write_pages(explained, inputs, predictor.model, folder=folder / "why", with_images=True)
    check(CheckRequest(data=DataRequest(source=str(shades)), page=folder / "check.html"))
    boxes = tuple(Located("a class", 0, 0.9, (10.0, 10.0, 1000.0, 1000.0)) for _ in range(12))
    found = [
        LocatedImage(path=f"class/{LONG}.jpg", size=(1000, 1000), boxes=boxes),
        LocatedImage(path=LONG, size=(9, 9)),
    ]
    model = read_model(run / "model.onnx")
    write_boxes_page(folder / "boxes.html", found, SearchSettings(classes=("a class",), by="windows", least=0.5), model)
    hyperparameters = [hyperparameter(name, 0.0, 1.0) for name in USUAL] * 5
    write_tune_page(folder / "tune.html", document(hyperparameters=hyperparameters))
    compared = compare(
        CompareRequest(first=one, second=other, data=DataRequest(source=str(shades)), output=folder / "compared")
    )
    return [
        write_report(run, store=DrawnStore()),
        folder / "check.html",
        compared.folder / "compare.html",
        folder / "tune.html",
        Path(why.page),
        folder / "boxes.html",
        write_network(describe_architecture("textbook"), name="textbook", folder=folder),
    ]


@pytest.mark.slow  # starts a browser
def test_no_page_hides_anything_beside_the_screen_without_saying_so(tmp_path: Path):
    if BROWSER is None:
        pytest.skip("needs:chromium")

    assert clipped(written(tmp_path), tmp_path) == []


@pytest.mark.slow  # starts a browser
def test_the_browser_finds_what_is_cut_off(tmp_path: Path):
    if BROWSER is None:
        pytest.skip("needs:chromium")
    page = tmp_path / "page.html"
    page.write_text("<div class=cut style='overflow-x:auto'><p style='width:600px'>wide</p></div>")

    assert clipped([page], tmp_path) == [f"page at {width}: DIV .cut 600 > {width - 16}" for width in WIDTHS[:2]]
