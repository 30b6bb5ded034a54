"""The images on the page: few elements for many images, everything by keys, nothing that moves by itself."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.app.desks import running_app
from tests.draw import class_folders, encoded
from tests.export.browser import bare_chromium
from vidi.data.labels import LabelsFile, labels_beside

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow  # starts a browser

MOST_NODES = 400
SHIFT = """
() => {
  window.shift = 0;
  const add = (list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) window.shift += one.value; };
  new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
}
"""
UNTIL = """async () => {
  for (let frame = 0; !(%s); frame += 1) {
    if (frame > 900) throw new Error("it does not come");
    await new Promise(requestAnimationFrame);
  }
}"""
TOUCH = """([cell, event]) => {
  const given = { bubbles: true, pointerType: "touch" };
  document.querySelector(cell).dispatchEvent(new PointerEvent(event, given));
}"""
ANSWER = """
async () => {
  const dialog = document.querySelector("dialog.large"), began = performance.now();
  dialog.dispatchEvent(new KeyboardEvent("keydown", { key: "2", bubbles: true }));
  const isThere = () => dialog.dataset.place === "1" && dialog.querySelector("img[data-seen]");
  while (!isThere()) await new Promise(requestAnimationFrame);
  return performance.now() - began;
}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = class_folders(tmp_path / "photos", kinds=("disc", "stripes"), each=120, size=(24, 24))
    shutil.copy(root / "disc/000.png", root / "disc/copy.png")
    (root / "stripes/dark.png").write_bytes(encoded(np.full((24, 24, 3), 3, np.uint8)))
    for number in range(30):
        shutil.move(root / f"disc/{90 + number:03}.png", root / f"new-{number:02}.png")
    return root


@contextmanager
def opened(source: Path, *, width: int = 1280, height: int = 800) -> Iterator["Page"]:
    """The view of all images, once they were checked."""
    with running_app(source.parent / "projects", source) as address, bare_chromium() as page:
        page.set_viewport_size({"width": width, "height": height})
        page.add_init_script(f"({SHIFT})()")
        page.goto(address)
        page.wait_for_selector("body[data-view=images]")
        until(page, "document.querySelector('.chips').children.length > 1")
        page.wait_for_selector(".cell img[src]")
        yield page


def until(page: "Page", condition: str) -> None:
    """Wait until something holds of the page."""
    page.evaluate(UNTIL % condition)


def said(source: Path) -> list[tuple[str, str, str]]:
    return [(one.path, one.kind, "|".join(one.labels)) for one in LabelsFile(labels_beside(source)).opinions()]


def wait(page: "Page", count: int) -> None:
    """Until so many answers are kept."""
    page.wait_for_selector(f"body[data-ready='{count}']")


def focus(page: "Page", place: int) -> None:
    page.click(f".cell[data-place='{place}']:visible")
    page.keyboard.press("Escape")


@pytest.mark.parametrize(("width", "height"), [(320, 700), (1280, 800), (2560, 1440)])
def test_the_grid_has_few_elements_however_far_one_scrolls_and_nothing_shifts(source, width, height):
    with opened(source, width=width, height=height) as page:
        box, most = page.locator(".grid"), 0
        for share in (0, 0.3, 0.31, 0.7, 1, 0):
            box.evaluate("(box, share) => { box.scrollTop = share * box.scrollHeight }", share)
            until(page, "document.querySelector('.cell')")
            most = max(most, page.evaluate("document.querySelectorAll('.grid *').length"))
        shift = page.evaluate("window.shift")
        wide = page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    assert most <= MOST_NODES
    assert shift < 0.02
    assert wide


def test_one_key_labels_all_that_are_chosen_and_another_takes_it_back(source):
    with opened(source) as page:
        page.click(".chip:has-text('without a label')")
        until(page, "document.querySelector('.grid').ariaRowCount < 6")
        focus(page, 0)
        for key in (" ", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown"):
            page.keyboard.press(key)
        chosen = page.locator(".cell[aria-selected=true]").count()
        page.keyboard.press("1")
        wait(page, 1)
        kept, status = said(source), page.inner_text(".bar p")
        page.wait_for_selector(f".chip[aria-pressed=true] b:text-is('{30 - chosen}')")
        page.keyboard.press("z")
        wait(page, 2)

    assert len(kept) == chosen > 5
    assert {(kind, labels) for _, kind, labels in kept} == {("label", "disc")}
    assert f"Saved: disc, {chosen} images." in status
    assert said(source) == []


def test_of_many_images_the_number_is_shown_before_they_are_labelled(source):
    with opened(source) as page:
        page.click(".chip:has-text('without a label')")
        until(page, "document.querySelector('.grid').ariaRowCount < 6")
        focus(page, 0)
        page.keyboard.press("Control+a")
        page.keyboard.press("/")
        page.keyboard.type("square")
        page.keyboard.press("Enter")
        question = page.inner_text("dialog[open] p >> nth=0")
        page.keyboard.press("Escape")
        before = said(source)
        page.keyboard.press("/")
        page.keyboard.type("square")
        page.keyboard.press("Enter")
        page.click("dialog[open] .main")
        wait(page, 1)
        names = page.locator(".class-list .wide button span").all_inner_texts()

    assert question == "Label 30 images as square?"
    assert before == []
    assert len(said(source)) == 30
    assert set(names) == {"All", "disc", "square", "stripes"}


def test_large_images_are_answered_by_key_and_the_next_one_is_ready(source):
    with opened(source) as page:
        focus(page, 0)
        page.keyboard.press("o")
        page.wait_for_selector("dialog.large[open] img[data-seen]")
        until(page, "true")
        milliseconds = page.evaluate(ANSWER)
        wait(page, 1)
        page.keyboard.press("x")
        wait(page, 2)
        where = page.inner_text("dialog.large header p")
        page.keyboard.press("Escape")
        until(page, "document.activeElement.dataset.place === '2'")

    assert [(path, kind) for path, kind, _ in said(source)][-1][1] == "exclude"
    assert said(source)[0][1:] == ("label", "stripes")
    assert where.startswith("3 of 242")
    assert milliseconds < 1000  # bench/app.py measures it


def test_on_a_phone_a_long_press_begins_to_choose_and_a_tap_goes_on(source):
    with opened(source, width=320, height=700) as page:

        def touch(place: int, *events: str) -> None:
            for event in events:
                page.evaluate(TOUCH, [f".cells:not([hidden]) .cell[data-place='{place}']", event])

        touch(0, "pointerdown")
        page.wait_for_selector(".cell[data-place='0'][aria-selected=true]")
        touch(0, "pointerup", "click")
        touch(1, "pointerdown", "pointerup", "click")
        chosen = page.locator(".cell[aria-selected=true]").count()
        page.keyboard.press("Escape")
        touch(1, "pointerdown", "pointerup", "click")
        page.wait_for_selector("dialog.large[open]")

    assert chosen == 2


def test_one_of_each_copy_stays_by_one_button(source):
    with opened(source) as page:
        page.click(".chip:has-text('twice')")
        until(page, "document.querySelector('.grid').ariaRowCount === '1'")
        focus(page, 0)
        page.keyboard.press("Control+a")
        page.click("button:has-text('keep one of each')")
        wait(page, 1)
        page.wait_for_selector("text=No image passes this filter.")

    assert [(path, kind) for path, kind, _ in said(source)] == [("disc/copy.png", "copy")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_no_automatic_check_of_accessibility_finds_anything(source, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs:axe").Axe()
    with opened(source, width=width) as page:
        page.emulate_media(color_scheme=scheme)
        found = axe.run(page)
        page.keyboard.press("Tab")
        focus(page, 1)
        page.keyboard.press("o")
        page.wait_for_selector("dialog.large[open] img[data-seen]")
        large = axe.run(page)

    assert (found.violations_count, large.violations_count) == (0, 0), found.generate_report() + large.generate_report()


def test_a_class_is_renamed_and_no_file_is(source):
    before = sorted(path.relative_to(source) for path in source.rglob("*.png"))
    with opened(source) as page:
        page.get_by_role("button", name="stripes").first.click()
        page.get_by_text("Rename or merge").click()
        page.get_by_role("textbox", name="New name").fill("bars")
        page.get_by_role("dialog").get_by_text("Rename", exact=True).click()
        page.get_by_role(
            "button", name="Label 121 images as bars"
        ).click()  # of so many images the number is shown first
        wait(page, 1)
        names = page.locator("nav.class-list .wide button").all_inner_texts()

    counted = [re.fullmatch(r"(\D+?)\s*([\d,]+)", name) for name in names]
    assert [one[1] for one in counted if one and one[2] != "0"] == ["All", "disc", "bars"]
    assert {labels for _, _, labels in said(source)} == {"bars"}
    assert len(said(source)) == 121
    assert sorted(path.relative_to(source) for path in source.rglob("*.png")) == before
