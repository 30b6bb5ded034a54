"""The review page in Chromium: by keys and by buttons, on a phone and a desktop, for everybody."""

import getpass
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.app.desks import SIZE, drawn_model, photos, review_page
from tests.draw import draw, encoded
from tests.export.browser import bare_chromium
from vidi.data.labels import LabelsFile, Opinion
from vidi.files import digest_of
from vidi.workflows.requests.in_use import ReviewRequest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow  # starts a browser

MANY = tuple(f"kind {number:02}" for number in range(30))


@pytest.fixture(scope="module")
def request_of(tmp_path_factory: pytest.TempPathFactory) -> ReviewRequest:
    folder = tmp_path_factory.mktemp("data")
    return ReviewRequest(source=str(photos(folder)), model=drawn_model(folder / "kinds.onnx"))


@contextmanager
def opened(request: ReviewRequest, labels: Path, *, width: int = 1280, height: int = 800) -> Iterator["Page"]:
    """The page of a review with its first image."""
    with review_page(replace(request, labels=str(labels))) as address, bare_chromium() as page:
        page.set_viewport_size({"width": width, "height": height})
        page.goto(address)
        wait(page)
        yield page


def wait(page: "Page", step: int = 1) -> None:
    """Until a step is answered, and its image stands on the screen."""
    page.wait_for_selector(f"body[data-ready='{step}']")
    page.wait_for_selector("#look:not([hidden]) #image[data-seen], #done:not([hidden])")


def press(page: "Page", key: str) -> None:
    """Press a key, and wait for what comes of it."""
    before = int(page.get_attribute("body", "data-ready") or 0)
    page.keyboard.press(key)
    wait(page, before + 1)


def click(page: "Page", button: str) -> None:
    """Click a button, and wait for what comes of it."""
    before = int(page.get_attribute("body", "data-ready") or 0)
    page.click(button)
    wait(page, before + 1)


def name(page: "Page") -> str:
    return page.inner_text("#name")


def rows(labels: Path) -> list[tuple[str, str, str]]:
    """Path, kind and labels of each answer."""
    return [(one.path, one.kind, "|".join(one.labels)) for one in LabelsFile(labels).opinions()]


def test_keys_answer_undo_and_bring_the_next_image(request_of, tmp_path):
    labels = tmp_path / "labels.jsonl"
    with opened(request_of, labels) as page:
        seen = [name(page)]
        for key in ("2", "n", "u"):
            press(page, key)
            seen.append(name(page))
        press(page, "z")
        assert name(page) == seen[2]
        press(page, "?")
        assert f"3 of 6 left · 3 by {getpass.getuser()}" in page.inner_text("#progress-words")

    assert len(set(seen)) == 4
    assert rows(labels) == [(seen[0], "label", "square"), (seen[1], "none", ""), (seen[2], "unclear", "")]


def test_the_last_answer_ends_the_review_and_can_still_be_undone(request_of, tmp_path):
    with opened(request_of, tmp_path / "labels.jsonl") as page:
        for _ in range(6):
            last = name(page)
            press(page, "1")
        assert page.is_visible("#done")
        assert "vidi train" in page.inner_text("#after")
        press(page, "Backspace")
        assert name(page) == last


@pytest.mark.integration
def test_with_many_classes_typing_finds_one_and_enter_takes_it(tmp_path):
    folder = tmp_path / "new"
    folder.mkdir()
    for seed in range(2):
        (folder / f"{seed}.png").write_bytes(encoded(draw("disc", size=SIZE, seed=seed)))
    labels = tmp_path / "labels.jsonl"
    with opened(ReviewRequest(source=str(folder), classes=MANY), labels) as page:
        assert page.locator("#choices button").count() == 30
        page.keyboard.press("k")
        page.keyboard.type("ind 17")
        assert page.locator("#choices button").count() == 1
        press(page, "Enter")

    assert [row[1:] for row in rows(labels)] == [("label", "kind 17")]


@pytest.mark.integration
def test_buttons_do_the_same_on_a_small_phone(request_of, tmp_path):
    labels = tmp_path / "labels.jsonl"
    with opened(request_of, labels, width=320, height=640) as page:
        first = name(page)
        click(page, "#choices button:has-text('stripes')")
        assert name(page) != first
        click(page, "#undo")
        assert name(page) == first
        assert page.evaluate("document.documentElement.scrollWidth") <= 320

    assert rows(labels) == []


@pytest.mark.integration
def test_a_server_that_is_gone_keeps_the_answer_for_another_try(request_of, tmp_path):
    labels = tmp_path / "labels.jsonl"
    with opened(request_of, labels) as page:
        first = name(page)
        page.route("**/answers", lambda route: route.abort())
        press(page, "1")
        assert "does not answer" in page.inner_text("#notice-words")
        assert name(page) == first
        page.unroute("**/answers")
        click(page, "#notice-again")
        assert name(page) != first

    assert rows(labels) == [(first, "label", "disc")]


@pytest.fixture
def disputed(request_of, tmp_path: Path) -> Path:
    """Labels of two people who disagree on an image."""
    path = "new-disc-0.png"
    digest = digest_of((Path(request_of.source) / path).read_bytes())
    said = [
        Opinion(key=who * 8, digest=digest, at=1.0, source=who, via="review", kind="label", labels=(label,), path=path)
        for who, label in (("cleo", "disc"), ("dora", "square"))
    ]
    for one in said:
        LabelsFile(tmp_path / "labels.jsonl").add([one])
    return tmp_path / "labels.jsonl"


def test_a_disagreement_comes_first_with_who_said_what_and_a_third_answer_settles_it(request_of, disputed):
    with opened(request_of, disputed) as page:
        assert name(page) == "new-disc-0.png"
        assert re.findall(r"(\w+): (\w+)", page.inner_text("#opinions")) == [("cleo", "disc"), ("dora", "square")]
        assert page.locator("#dispute-cards li").count() == 1
        press(page, "1")
        assert page.is_hidden("#disputes")


@pytest.mark.parametrize("width", [320, pytest.param(1280, marks=pytest.mark.integration)])
def test_the_page_is_accessible_and_nothing_sticks_out(request_of, disputed, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs:axe")
    with opened(request_of, disputed, width=width) as page:
        found = axe.Axe().run(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    assert found.violations_count == 0, found.generate_report()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> ReviewRequest:
    """A folder with an image under two labels, three copies of another one, and a dark image."""
    root = photos(tmp_path_factory.mktemp("found"), new=0)
    shutil.copy(root / "disc" / "000.png", root / "stripes" / "twin.png")
    for copy in ("a.png", "b.png"):
        shutil.copy(root / "disc" / "001.png", root / "disc" / copy)
    dark = np.random.default_rng(0).integers(0, 12, (*SIZE, 3), np.uint8)
    (root / "disc" / "dark.png").write_bytes(encoded(dark))
    return ReviewRequest(source=str(root))


def test_each_finding_says_what_it_is_about_and_a_key_settles_it(found, tmp_path):
    labels = tmp_path / "labels.jsonl"
    about = []
    with opened(found, labels) as page:
        for key in ("1", "Enter", "="):
            about.append(page.inner_text("#why").partition(":")[0])
            press(page, key)
        press(page, "z")
        press(page, "x")
        assert page.is_visible("#done")

    assert about == ["The same image has two labels", "These files are exact copies", "It is nearly black"]
    assert rows(labels) == [
        ("disc/000.png", "label", "disc"),
        ("stripes/twin.png", "label", "disc"),
        ("disc/a.png", "copy", ""),
        ("disc/b.png", "copy", ""),
        ("disc/dark.png", "exclude", ""),
    ]


@pytest.mark.parametrize("width", [320, pytest.param(1280, marks=pytest.mark.integration)])
def test_copies_stand_side_by_side_for_everybody(found, tmp_path, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs:axe")
    with opened(found, tmp_path / "labels.jsonl", width=width) as page:
        press(page, "1")
        assert page.locator("#files img").count() == 2
        violations = [axe.Axe().run(page)]
        press(page, "Enter")
        press(page, "x")
        violations.append(axe.Axe().run(page))
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    assert [found.violations_count for found in violations] == [0, 0]
