"""The page of a server with a log: what people say of answers, and answers that are sent with consent."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.draw import draw, encoded
from tests.export.browser import bare_chromium, chromium
from tests.export.test_page_changes import ask
from tests.model_file.tiny import tiny_model
from tests.serving.process import served
from vidi.log.records import LoggedPrediction
from vidi.log.store import PredictionLog

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.integration  # a browser, and a server with a log; test_page.py shows the page without them

SECONDS = 20


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disc.png"
    path.write_bytes(encoded(draw("disc", size=(60, 80))))
    return path


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def logging_page(tmp_path: Path) -> Iterator[tuple["Page", Path]]:
    log = tmp_path / "log.sqlite"
    model = tiny_model(tmp_path / "tiny.onnx")
    with served(f"tiny={model.path}", "--log", log, "--keep-images") as (_, url), chromium() as page:
        page.goto(url.replace("127.0.0.1", "localhost"))
        page.wait_for_selector("body[data-ready]")
        yield page, log


def read(log: Path) -> tuple[list[LoggedPrediction], list, list[str]]:
    with PredictionLog.open(str(log), create=False) as opened:
        return [row for _, row in opened.predictions()], opened.feedback(), opened.kept_digests()


def wait_for(page: "Page", is_there: Callable[[], bool]) -> None:
    """Until the server's writer has committed; the page's own clock goes on meanwhile."""
    for _ in range(10 * SECONDS):
        if is_there():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not come")


def test_right_and_wrong_are_noted_and_nothing_else_leaves_the_page(logging_page: tuple["Page", Path], image: Path):
    page, log = logging_page
    assert not page.is_visible("#feedback")
    ask(page, image)
    label = page.inner_text("#label")

    page.click("#right")
    page.wait_for_selector("#thanked:has-text('noted')")
    page.click("#wrong")
    page.click("#others button:has-text('class 2')")
    page.wait_for_selector("#really", state="hidden")
    page.click("#wrong")
    page.click("#others button:has-text('none of these')")
    page.wait_for_selector("#really", state="hidden")

    rows, feedback, kept = read(log)
    assert [(one.kind, one.labels) for one in feedback] == [("label", (label,)), ("label", ("class 2",)), ("none", ())]
    assert {one.digest for one in feedback} == {digest_of(image)}
    assert (rows, kept) == ([], [])  # no consent: no answer


def test_answers_are_logged_with_consent_and_images_only_when_ticked(logging_page: tuple["Page", Path], image: Path):
    page, log = logging_page
    assert not page.is_visible("#image-switch")
    page.check("#consent")
    ask(page, image)
    page.wait_for_selector("body[data-logged='1']")
    wait_for(page, lambda: len(read(log)[0]) == 1)
    (row,), _, kept = read(log)
    assert (row.source, row.digest, row.label) == ("page", digest_of(image), page.inner_text("#label"))
    assert kept == []
    assert "answers are sent" in page.inner_text("#where")

    page.check("#consent-image")
    assert "answers and images are sent" in page.inner_text("#where")
    ask(page, image)
    page.wait_for_selector("body[data-logged='2']")
    wait_for(page, lambda: read(log)[2] == [digest_of(image)])

    page.uncheck("#consent")
    assert not page.is_visible("#image-switch")
    ask(page, image)
    page.check("#consent")
    assert not page.is_checked("#consent-image")
    assert page.get_attribute("body", "data-logged") == "2"


def test_a_page_without_a_log_behind_it_asks_for_nothing(tmp_path: Path, image: Path):
    model = tiny_model(tmp_path / "tiny.onnx")
    with served(f"tiny={model.path}") as (_, url), bare_chromium() as page:
        page.goto(url.replace("127.0.0.1", "localhost"))
        page.wait_for_selector("body[data-ready]")
        ask(page, image)

        assert not page.is_visible("#feedback")
        assert not page.is_visible("#consent-part")


@pytest.mark.parametrize(
    ("width", "scheme"),
    [(320, "dark"), (1280, "light")],
)
def test_the_questions_break_no_rule_of_accessibility_and_fit_a_phone(
    logging_page: tuple["Page", Path], image: Path, width: int, scheme: str
):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs:axe").Axe()
    page, _ = logging_page
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.check("#consent")
    ask(page, image)
    page.click("#wrong")

    assert [one["id"] for one in axe.run(page).response["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=image.with_name(f"{width}.png"), full_page=True)
