"""The first screen in Chromium: a folder becomes a project, the picker reads in place, the camera keeps each image."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.app.desks import running_app
from tests.draw import class_folders
from tests.export.browser import bare_chromium
from vidi.app.pages import page_files
from vidi.data.project import list_projects
from vidi.export.page_files import page_files as phone_files

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow  # starts a browser

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@contextmanager
def opened(projects: Path, *flags: str, data: Path | None = None) -> Iterator["Page"]:
    with running_app(projects, data) as address, bare_chromium(*flags) as page:
        page.goto(address)
        page.wait_for_selector("body[data-view]")
        yield page


def exif_of(path: Path) -> Image.Exif:
    with Image.open(path) as image:
        return image.getexif()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "photos", kinds=("disc", "stripes"), each=3, size=(24, 32))


def test_the_token_leaves_the_address_and_a_reload_needs_none(tmp_path: Path):
    with opened(tmp_path / "projects") as page:
        first = page.url
        page.reload()
        page.wait_for_selector("body[data-view='start']")

    assert "token" not in first


def test_a_folder_that_is_chosen_becomes_a_project_with_its_classes(tmp_path: Path, photos: Path):
    with opened(tmp_path / "projects") as page:
        page.set_input_files("input[webkitdirectory]", photos)
        page.wait_for_selector("#project:text-is('photos')")

    (project,) = list_projects(tmp_path / "projects")
    brought = sorted(path.relative_to(project.source).as_posix() for path in project.source.rglob("*.png"))
    assert brought == sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))


def test_a_folder_of_this_computer_is_read_where_it_lies(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with opened(tmp_path / "projects") as page:
        page.click("text='A folder on this computer'")
        page.click("dialog button:has-text('photos/')")
        page.wait_for_selector("dialog .path:has-text('photos')")
        page.click("text='Use this folder'")
        page.wait_for_selector("#project:text-is('photos')")

    assert [one.source for one in list_projects(tmp_path / "projects")] == [photos]


def test_the_camera_keeps_each_image_as_it_is_taken_with_time_and_session(tmp_path: Path):
    with opened(tmp_path / "projects", *CAMERA) as page:
        page.click("text='Take images with the camera'")
        page.fill("#new-class", "a/b")
        page.keyboard.press("Enter")
        page.click("text='Open the camera'")
        page.locator(".hold:enabled").focus()
        page.keyboard.down("Enter")
        page.wait_for_selector(".classes li:has-text('1 take')")
        page.keyboard.up("Enter")
        page.click("text='Close the camera'")

    (project,) = list_projects(tmp_path / "projects")
    taken = sorted((project.source / "a-b").glob("*.jpg"))
    exif = [exif_of(path) for path in taken]
    assert taken
    assert len({one[0x0110] for one in exif}) == 1
    assert all(one.get_ifd(0x8769)[0x9003] for one in exif)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_start_and_camera_are_accessible_and_nothing_sticks_out(tmp_path: Path, photos: Path, width: int, scheme: str):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs:axe").Axe()
    found: dict[str, list[str]] = {}

    def look(page: "Page", view: str) -> None:
        found[view] = [one["id"] for one in axe.run(page).response["violations"]]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found[view].append("wider than the screen")

    with opened(tmp_path / "projects", data=photos) as page:
        page.set_viewport_size({"width": width, "height": 700})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.evaluate("location.hash = '#start'")
        page.wait_for_selector("body[data-view='start']")
        look(page, "start")
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        look(page, "start, large text")
        page.evaluate("document.documentElement.style.fontSize = ''")
        page.click("text='A folder on this computer'")
        page.wait_for_selector("dialog .path:not(:empty)")
        look(page, "picker")
        page.click("text='Cancel'")
        page.evaluate("location.hash = '#camera'")
        page.wait_for_selector("body[data-view='camera']")
        look(page, "camera")

    assert {view: faults for view, faults in found.items() if faults} == {}
    assert len(found) == 4


def test_the_page_is_light_and_asks_nobody_else(tmp_path: Path, photos: Path):
    asked = set[str]()
    with running_app(tmp_path / "projects", photos) as address, bare_chromium() as page:
        page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
        page.goto(address)
        for view in ("start", "images", "train", "runs", "camera"):
            page.evaluate(f"location.hash = '#{view}'")
            page.wait_for_selector(f"body[data-view='{view}']")

    phone_page = [path for name, path in phone_files().items() if not name.startswith("vendor/")]
    files = {*page_files().values(), *phone_page}
    assert asked == {urlsplit(address).netloc}
    assert sum(path.stat().st_size for path in files) <= 300_000


DROP = """() => {
  const file = (name) => ({ name, isFile: true, file: (done) => done(new File([name], name, { type: "image/png" })) });
  const reader = (left) => ({ readEntries: (done) => done(left.shift()) });
  const folder = (name, entries) => ({ name, isFile: false, createReader: () => reader([entries, []]) });
  const entry = folder("plants", [folder("leaf", [file("1.png"), file("2.png")]), folder("bark", [file("3.png")])]);
  const event = Object.assign(new Event("drop"), { dataTransfer: { items: [{ webkitGetAsEntry: () => entry }] } });
  dispatchEvent(event);
}"""


def test_a_folder_that_is_dropped_becomes_a_project_with_its_classes(tmp_path: Path):
    with opened(tmp_path / "projects") as page:
        page.evaluate(DROP)
        page.wait_for_selector("#project:text-is('plants')")

    (project,) = list_projects(tmp_path / "projects")
    brought = sorted(path.relative_to(project.source).as_posix() for path in project.source.rglob("*.png"))
    assert brought == ["bark/3.png", "leaf/1.png", "leaf/2.png"]
