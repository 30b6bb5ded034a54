"""The page when something changes or breaks while it is open: the model, the camera, the host, its certificate."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bench.file_host import static_host

from tests.draw import draw, encoded
from tests.export.browser import chromium
from tests.model_file.tiny import tiny_model
from tests.serving.process import served
from vidi.export.to_web import write_web
from vidi.model_file.read import ModelFile

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow  # starts a browser

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
PLACE = "below/this/"
EVERYWHERE = "0.0.0.0"  # noqa: S104  # the server's own certificate comes with it


@pytest.fixture
def models(tmp_path: Path) -> list[ModelFile]:
    """Two that tell the same classes apart."""
    return [tiny_model(tmp_path / f"{seed}.onnx", seed=seed) for seed in range(2)]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disc.png"
    path.write_bytes(encoded(draw("disc", size=(60, 80))))
    return path


def export(folder: Path, *named: tuple[str, ModelFile]) -> None:
    """The page with these models, below a path of the folder."""
    place = folder / PLACE
    new = folder / "new"
    new.mkdir(parents=True)
    write_web(new, named)
    if place.exists():
        place.rename(folder / "old")
    place.parent.mkdir(exist_ok=True)
    new.rename(place)


@contextmanager
def exported(folder: Path, *named: tuple[str, ModelFile], flags: tuple[str, ...] = ()) -> Iterator["Page"]:
    """The page, open, on a host that knows nothing but files."""
    export(folder, *named)
    with static_host(folder) as url, chromium(*flags) as page:
        page.goto(url + PLACE)
        page.wait_for_selector("body[data-ready]")
        yield page


def ask(page: "Page", *images: Path) -> None:
    before = page.locator("#history li").count()
    page.set_input_files("#files", images)
    page.wait_for_selector(f"#history li:nth-child({before + len(images)})")


def test_an_exported_page_below_a_path_answers_with_and_without_a_network(
    models: list[ModelFile], image: Path, tmp_path: Path
):
    with exported(tmp_path / "host", ("tiny", models[0])) as page:
        ask(page, image)
        before = page.inner_text("#label"), page.inner_text("#probability")
        page.wait_for_selector("body[data-flight=ready]")
        page.context.set_offline(True)
        page.reload()
        page.wait_for_selector("body[data-ready]")
        ask(page, image)

        assert (page.inner_text("#label"), page.inner_text("#probability")) == before
        assert not page.evaluate("crossOriginIsolated")


def test_the_host_s_new_model_is_offered_and_answers_about_the_shown_image(
    models: list[ModelFile], image: Path, tmp_path: Path
):
    with exported(tmp_path / "host", ("tiny", models[0])) as page:
        ask(page, image)
        page.evaluate("dispatchEvent(new Event('focus'))")
        page.wait_for_timeout(0)
        assert page.is_hidden("#update")

        export(tmp_path / "host", ("tiny", models[1]))
        page.evaluate("dispatchEvent(new Event('focus'))")
        page.click("#use-update")
        page.wait_for_selector(f"body[data-ready={models[1].model_id!r}]")
        page.wait_for_selector("#history li:nth-child(2)")

        assert page.is_hidden("#update")
        assert page.inner_text("#sent") == "0"


@pytest.mark.integration
def test_a_new_model_that_cannot_be_loaded_leaves_the_old_one(models: list[ModelFile], image: Path, tmp_path: Path):
    with exported(tmp_path / "host", ("tiny", models[0])) as page:
        page.wait_for_selector("body[data-flight=ready]")
        export(tmp_path / "host", ("tiny", models[1]))
        page.evaluate("dispatchEvent(new Event('focus'))")
        page.wait_for_selector("#use-update")
        page.context.set_offline(True)
        page.click("#use-update")
        page.wait_for_selector("#notice:has-text('still answers')")
        ask(page, image)

        assert page.get_attribute("body", "data-ready") == models[0].model_id


@pytest.mark.integration
def test_another_model_of_the_page_answers_about_the_shown_image(models: list[ModelFile], image: Path, tmp_path: Path):
    with exported(tmp_path / "host", ("one", models[0]), ("two", models[1])) as page:
        ask(page, image)
        page.select_option("#models", "two")
        page.wait_for_selector("#history li:nth-child(2)")

        shares = page.locator("#history .says").all_inner_texts()

        assert shares[0] != shares[1]


def test_of_several_files_the_refused_ones_are_listed(models: list[ModelFile], image: Path, tmp_path: Path):
    letter = tmp_path / "letter.txt"
    letter.write_text("no image")
    with exported(tmp_path / "host", ("tiny", models[0])) as page:
        page.set_input_files("#files", [image, letter, image])
        page.wait_for_selector("#progress:text-is('2 of 3 images are answered.')")

        assert page.inner_text("#notice") == "letter.txt: This file is not an image."
        assert page.is_visible("#label")


@pytest.mark.integration
def test_an_image_of_the_session_is_shown_again_with_its_answer(models: list[ModelFile], image: Path, tmp_path: Path):
    wide = tmp_path / "wide.png"
    wide.write_bytes(encoded(draw("stripes", size=(20, 90))))
    with exported(tmp_path / "host", ("tiny", models[0])) as page:
        ask(page, image, wide)
        assert page.evaluate("document.getElementById('image').width") == 90
        page.click("#history li:nth-child(2) button")
        page.wait_for_selector("#image[aria-label^='disc.png']")

        assert page.evaluate("document.getElementById('image').width") == 80


FOLDER = """async () => {
  const { filesOf } = await import("./drop.js");
  const leaf = (name, type) => ({ isFile: true, name, file: (done) => done(new File(["x"], name, { type })) });
  const folder = (name, inside) => ({ isDirectory: true, name, createReader: () => {
    const parts = [inside.slice(0, 1), inside.slice(1), []];
    return { readEntries: (done) => done(parts.shift()) };
  } });
  const tree = folder("a", [leaf("10.png", "image/png"), leaf("9.png", "image/png"), leaf("notes", "text/plain"),
                            folder("b", [leaf("1.png", "image/png"), leaf("2.png", "image/png")])]);
  const found = await filesOf({ files: [], items: [{ webkitGetAsEntry: () => tree }] });
  return found.map((file) => file.name);
}"""


def test_the_images_of_a_dropped_folder_come_in_the_order_of_their_names(models: list[ModelFile], tmp_path: Path):
    with exported(tmp_path / "host", ("tiny", models[0])) as page:
        assert page.evaluate(FOLDER) == ["9.png", "10.png", "1.png", "2.png"]


@pytest.mark.integration
def test_a_camera_that_is_taken_away_is_said(models: list[ModelFile], tmp_path: Path):
    with exported(tmp_path / "host", ("tiny", models[0]), flags=CAMERA) as page:
        page.click("#live:enabled")
        page.wait_for_selector("#live[aria-pressed=true]")
        page.evaluate("document.getElementById('video').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))")
        page.wait_for_selector("#notice:has-text('no longer allowed')")

        assert page.is_hidden("#video")
        assert page.get_attribute("#live", "aria-pressed") == "false"


@pytest.mark.integration
def test_a_server_that_has_ended_leaves_the_model_of_the_open_page(models: list[ModelFile], image: Path):
    with chromium() as page:
        with served(models[0].path) as (_, url):
            page.goto(url)
            page.wait_for_selector("body[data-ready]")
        page.evaluate("dispatchEvent(new Event('focus'))")
        ask(page, image)

        assert page.inner_text("#label")


@pytest.mark.integration
def test_with_a_certificate_that_is_not_trusted_the_page_says_that_there_is_no_flight_mode(
    models: list[ModelFile], image: Path, tmp_path: Path
):
    token = tmp_path / "token"
    token.write_text("a-token-of-this-test-alone")
    token.chmod(0o600)
    with (
        served(models[0].path, "--host", EVERYWHERE, "--token-file", token) as (_, address),
        chromium() as page,
    ):
        url = address.replace(EVERYWHERE, "127.0.0.1")
        with pytest.raises(Exception, match="ERR_CERT_AUTHORITY_INVALID"):
            page.goto(url)
        visitor = page.context.browser.new_context(ignore_https_errors=True).new_page()  # "Proceed anyway"
        visitor.goto(url)
        visitor.fill("#token", token.read_text())
        visitor.click("#token-form button")
        visitor.wait_for_selector("body[data-flight=impossible]")
        ask(visitor, image)

        assert "does not trust this server's certificate" in visitor.inner_text("#flight")
        assert visitor.inner_text("#label")
