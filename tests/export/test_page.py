"""The page in Chromium: images in, answers out, by whatever way, and nothing leaves the device."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bench.file_host import static_host
from PIL import Image

from tests.draw import draw, encoded
from tests.export.browser import chromium
from tests.model_file.tiny import tiny_model
from tests.serving.process import served
from vidi.prediction.predictor import Predictor

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow  # starts a browser

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
READY, LIVE = "body[data-ready]", "body[data-frames]"
FORMATS = {"disc.png": "PNG", "stripes.jpg": "JPEG", "square.webp": "WEBP"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx").path


@pytest.fixture(scope="module")
def url(model: Path) -> Iterator[str]:
    with served(f"tiny={model}") as (_, address):
        yield f"{address}/"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("images")
    for name, format in FORMATS.items():
        (folder / name).write_bytes(encoded(draw(name.partition(".")[0], size=(60, 80)), format=format))
    return [folder / name for name in FORMATS]


@contextmanager
def opened(url: str, *flags: str) -> Iterator["Page"]:
    """The page with its model."""
    with chromium(*flags) as page:
        page.goto(url)
        page.wait_for_selector(READY)
        yield page


def ask(page: "Page", *images: Path) -> None:
    """Choose images, and wait for the last answer."""
    before = page.locator("#history li").count()
    page.set_input_files("#files", images)
    page.wait_for_selector(f"#history li:nth-child({before + len(images)})")


def saved(page: "Page", button: str) -> str:
    with page.expect_download() as download:
        page.click(button)
    return Path(download.value.path()).read_text("utf-8")


def test_images_are_answered_as_in_python_and_saved_as_csv_and_json(url: str, model: Path, images: list[Path]):
    predictor = Predictor.load(model)
    with opened(url) as page:
        ask(page, *images)
        rows = json.loads(saved(page, "#save-json"))["predictions"]
        table = list(csv.DictReader(io.StringIO(saved(page, "#save-csv"))))
        requests = page.get_attribute("body", "data-requests")

    expected = [answer.prediction for answer in predictor.predict_files(list(reversed(images)))]
    assert [row["label"] for row in rows] == [one.label for one in expected]
    assert [row["name"] for row in table] == [path.name for path in reversed(images)]
    for row, one in zip(rows, expected, strict=True):
        assert list(row["probabilities"].values()) == pytest.approx(one.probabilities.tolist(), abs=0.01)
    assert requests == "0"


def test_a_photo_that_a_phone_takes_is_answered(url: str, images: list[Path]):
    with chromium() as page:
        phone = page.context.browser.new_context(viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True)
        shown = phone.new_page()
        shown.goto(url)
        shown.wait_for_selector(READY)
        with shown.expect_file_chooser() as chooser:
            shown.click("#photo")
        chooser.value.set_files(images[1])
        shown.wait_for_selector("#history li")

        assert shown.inner_text("#label")


def test_it_answers_without_a_network_once_it_has_been_opened(url: str, images: list[Path]):
    with opened(url) as page:
        ask(page, images[0])
        before = page.inner_text("#label"), page.inner_text("#probability")
        page.wait_for_selector("body[data-flight]")

        page.context.set_offline(True)
        page.reload()
        page.wait_for_selector(READY)
        ask(page, images[0])

        assert (page.inner_text("#label"), page.inner_text("#probability")) == before


@pytest.mark.integration
def test_the_camera_is_answered_live_and_a_frame_can_be_kept(url: str):
    with opened(url, *CAMERA) as page:
        page.check("#evidence")
        page.click("#live")
        page.wait_for_selector(LIVE)
        shows_evidence = page.is_visible("#overlay")
        page.click("#freeze")
        page.wait_for_selector("#history li")

        assert shows_evidence
        assert page.is_hidden("#video")
        assert page.inner_text("#label")


@pytest.mark.integration
def test_a_camera_that_is_denied_is_said_with_a_way_on(url: str, images: list[Path]):
    with opened(url, "--use-fake-device-for-media-stream", "--deny-permission-prompts") as page:
        page.click("#live")
        page.wait_for_selector("#notice:not([hidden])")
        said = page.inner_text("#notice")
        ask(page, images[0])

    assert "camera" in said
    assert "choose images" in said


def test_a_file_that_is_no_image_is_refused_in_words(url: str, tmp_path: Path, images: list[Path]):
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "cut.jpg").write_bytes(images[1].read_bytes()[:300])
    Image.new("RGB", (4, 4)).save(tmp_path / "image.tiff")
    with opened(url) as page:
        said = []
        for name in ("text.png", "cut.jpg", "image.tiff"):
            page.set_input_files("#files", tmp_path / name)
            page.wait_for_selector(f"#waiting p:text-is('{name}')", state="detached")
            page.wait_for_selector(f"#waiting:has-text('{name}')")
            said.append(page.inner_text("#waiting"))
        ask(page, images[0])

    assert "not an image" in said[0]
    assert "ends before" in said[1]
    assert "JPEG, PNG, WebP" in said[2]


def test_where_no_model_runs_in_the_browser_the_server_answers_and_the_page_says_so(url: str, images: list[Path]):
    with chromium() as page:
        page.route("**/vendor/**", lambda route: route.abort())
        page.goto(url)
        page.wait_for_selector(READY)
        ask(page, images[0])

        assert "sent to this server" in page.inner_text("#about-model")
        assert page.inner_text("#label")
        assert page.get_attribute("body", "data-requests") == "1"


@pytest.mark.integration
def test_a_server_that_asks_for_its_token_gets_it_from_the_person(model: Path, tmp_path: Path, images: list[Path]):
    (tmp_path / "token").write_text("a-token-of-this-test-alone")
    (tmp_path / "token").chmod(0o600)
    with served(f"tiny={model}", "--token-file", tmp_path / "token") as (_, address), chromium() as page:
        page.goto(f"{address}/")
        for token in ("wrong-token-of-this-test", "a-token-of-this-test-alone"):
            page.wait_for_selector("#token-form:not([hidden])")
            page.fill("#token", token)
            page.click("#token-form button")
        page.wait_for_selector(READY)
        ask(page, images[0])

        assert page.inner_text("#label")


AROUND = """<!doctype html><iframe src="URL?embed" allow="camera"></iframe><output></output><script>
addEventListener("message", ({ data, source }) => {
  if (data.vidi === "answer") document.querySelector("output").textContent = `${data.id}: ${data.answer.label}`;
  if (data.vidi !== "ready") return;
  const image = new Blob([Uint8Array.from(BYTES)], { type: "image/png" });
  source.postMessage({ vidi: "classify", id: 7, image }, "*");
});
</script>"""


@pytest.mark.integration
def test_the_page_around_an_embedded_one_gets_answers(model: Path, tmp_path: Path, images: list[Path]):
    with (
        static_host(tmp_path) as host,
        served(f"tiny={model}", "--allow-origin", host.removesuffix("/")) as (_, address),
        chromium() as page,
    ):
        text = AROUND.replace("URL", f"{address}/").replace("BYTES", str(list(images[0].read_bytes())))
        (tmp_path / "around.html").write_text(text, "utf-8")
        page.goto(f"{host}around.html")
        page.wait_for_selector("output:text-matches('^7: class ')")
        shown = page.inner_text("output")

    (answer,) = Predictor.load(model).predict_files([images[0]])
    assert shown == f"7: {answer.prediction.label}"


@pytest.mark.parametrize(
    ("width", "scheme"), [(320, "light"), pytest.param(1280, "dark", marks=pytest.mark.integration)]
)
def test_no_view_breaks_a_rule_of_accessibility_or_leaves_the_screen(
    url: str, images: list[Path], width: int, scheme: str
):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs:axe").Axe()
    found: dict[str, list[str]] = {}

    def look(page: "Page", view: str) -> None:
        found[view] = [one["id"] for one in axe.run(page).response["violations"]]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found[view].append("wider than the screen")

    with chromium(*CAMERA) as page:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.goto(url)
        page.wait_for_selector(READY)
        look(page, "empty")
        page.check("#evidence")
        ask(page, *images)
        look(page, "answered")
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        look(page, "large text")
        page.evaluate("document.documentElement.style.fontSize = ''")
        page.evaluate("document.getElementById('no-evidence').hidden = false")
        look(page, "without evidence")
        for name in ("card", "privacy"):
            page.click(f"#open-{name}")
            look(page, name)
            page.click(f"#{name} .close")

    assert {view: faults for view, faults in found.items() if faults} == {}
    assert len(found) == 6
