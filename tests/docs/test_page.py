"""The example of the page about the page, in Chromium."""

from pathlib import Path

import pytest
from bench.file_host import static_host

from tests.docs.pages import ROOT, blocks
from tests.draw import draw, encoded
from tests.export.browser import chromium
from tests.model_file.tiny import tiny_model
from tests.serving.process import served
from vidi.prediction.predictor import Predictor

pytestmark = pytest.mark.slow  # starts a browser


@pytest.mark.integration
def test_the_page_around_an_embedded_one_shows_its_answer(tmp_path: Path):
    model = tiny_model(tmp_path / "tiny.onnx")
    image = tmp_path / "disc.png"
    image.write_bytes(encoded(draw("disc")))
    ((_, example),) = blocks(ROOT / "docs" / "how-to" / "page.md", "html")
    host_folder = tmp_path / "host"
    host_folder.mkdir()
    with (
        static_host(host_folder) as host,
        served(model.path, "--allow-origin", host.removesuffix("/")) as (_, address),
        chromium() as page,
    ):
        (host_folder / "around.html").write_text(example.replace("http://localhost:8000", address), "utf-8")
        page.goto(f"{host}around.html")
        page.frame_locator("iframe").locator("body[data-ready]").wait_for()
        page.set_input_files("input", image)

        page.wait_for_selector("output:text-matches('^class .: no verdict$')")
        shown = page.inner_text("output")

    label = Predictor.load(model.path).predict([draw("disc")])[0].label
    assert shown == f"{label}: no verdict"
