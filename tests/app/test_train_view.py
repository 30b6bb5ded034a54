"""Train, Report and Runs in Chromium: from Start to the report, how trainings ended, runs compared and deleted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.app.desks import running_app
from tests.app.working import project_of_drawings, written_job
from tests.export.browser import bare_chromium
from tests.report.runs import make_run
from vidi.data.project import Project
from vidi.evaluation.run_files import read_answers

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow  # starts a browser

PATIENCE = 180_000  # milliseconds, for a training on a busy computer


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_of_drawings(tmp_path, each=15)


def run_with_report(project: Project, name: str) -> Path:
    """A run whose report can be opened."""
    folder = make_run(project.runs / name)
    (folder / "report.html").write_text("<!doctype html><html lang=en><title>Report</title><h1>Its report</h1></html>")
    (folder / "model.onnx").write_bytes(b"")
    return folder


@contextmanager
def opened(project: Project, view: str, *, width: int = 1280, scheme: str = "light") -> Iterator["Page"]:
    """The app at a view of a project."""
    with running_app(project.folder.parent, project.folder) as address, bare_chromium() as page:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.goto(f"{address.partition('view=')[0]}view=train")
        page.wait_for_selector("body[data-view='train']")
        page.evaluate(f"location.hash = {view!r}")
        page.wait_for_selector(f"body[data-view='{view.partition('?')[0]}']")
        yield page


@pytest.mark.integration
def test_a_training_is_started_stopped_continued_and_reported(project: Project):
    with opened(project, "train") as page:
        assert page.locator(".minutes input:checked").get_attribute("value") == "2"
        page.get_by_text("Start", exact=True).click()
        page.wait_for_selector("#stage")
        page.wait_for_selector(".log li >> text=plan:", timeout=PATIENCE)
        page.get_by_text("Stop and keep").click()
        page.wait_for_selector("text=What it had is kept", timeout=PATIENCE)

        page.get_by_text("Continue", exact=True).click()
        page.wait_for_selector("iframe[sandbox='']", timeout=PATIENCE)  # the report opens by itself

        assert page.frame_locator("iframe").locator("h1").inner_text()
        page.evaluate("location.hash = 'train'")
        page.wait_for_selector("text=The model is ready")


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (
            [{"event": "ended", "state": "failed", "cause": "No image", "remedy": "Add some."}],
            ("No image", "Add some."),
        ),
        ([{"event": "ended", "state": "stopped"}], ("Stopped", "Continue")),
        ([{"event": "message", "sentence": "works"}], ("Interrupted", "Continue")),
    ],
)
def test_a_training_that_came_to_nothing_says_why_and_what_to_do(
    state: list[dict[str, str]], shown: tuple[str, ...], project: Project
):
    written_job(project, "train", *state, run="one")
    with opened(project, "train") as page:
        words = page.locator(".ended").inner_text()

        assert all(one in words for one in shown)
        assert page.locator("#view form .main").inner_text() == "Start"


def test_the_mistakes_of_a_report_lead_to_their_images(project: Project):
    run_with_report(project, "one")
    with opened(project, "report?run=one") as page:
        links = [one.get_attribute("href") or "" for one in page.locator("#view a").all()]

        asked = [link.partition("digests=")[2].split("%2C") for link in links if link.startswith("#images?")]
        wrong = {one.digest for one in read_answers(project.runs / "one") if not one.is_right}
        assert set(asked[0]) == wrong
        assert all(set(ones) <= wrong for ones in asked[1:])  # by the classes that were taken for each other
        assert page.frame_locator("iframe").locator("h1").inner_text() == "Its report"


def test_two_runs_can_be_compared_and_one_deleted_after_a_question(project: Project):
    for name in ("one", "two"):
        run_with_report(project, name)
    with opened(project, "runs") as page:
        compare = page.get_by_text("Compare the two chosen")
        assert compare.is_disabled()
        for box in page.locator(".runs input").all():
            box.check()
        assert compare.is_enabled()

        page.get_by_label("Delete two").click()
        page.get_by_text("Keep it").click()
        assert (project.runs / "two").is_dir()
        page.get_by_label("Delete two").click()
        page.locator("dialog").get_by_text("Delete", exact=True).click()
        page.wait_for_selector("text=two is deleted")

        assert not (project.runs / "two").exists()
        assert page.locator(".runs tbody tr").count() == 1


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_views_are_accessible_and_nothing_sticks_out(project: Project, width: int, scheme: str):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs:axe").Axe()
    step = {"event": "epoch", "member": 0, "row": {"train_accuracy": 0.5, "validation_accuracy": 0.6}}
    rows = [{**step, "row": {**step["row"], "epoch": epoch}} for epoch in (1, 2)]
    written_job(
        project, "train", *rows, {"event": "ended", "state": "failed", "cause": "No", "remedy": "Yes."}, run="one"
    )
    run_with_report(project, "one")
    with opened(project, "train", width=width, scheme=scheme) as page:
        for view in ("train", "runs", "report?run=one"):
            page.evaluate(f"location.hash = {view!r}")
            page.wait_for_selector(f"body[data-view='{view.partition('?')[0]}']")
            for more in page.locator("summary").all():
                more.click()

            assert [one["id"] for one in axe.run(page).response["violations"]] == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
