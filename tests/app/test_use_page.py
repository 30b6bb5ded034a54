"""In use in a browser: a run is put in use, replaced and comes back; nothing sticks out, and everybody can use it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.app.desks import looks, photos, running_app
from tests.app.test_try import run_with_model
from tests.app.working import written_job
from tests.export.browser import bare_chromium
from vidi.data.project import Project, make_project
from vidi.registry import find_name
from vidi.workflows.promote import promote
from vidi.workflows.requests.in_use import PromoteRequest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow  # starts a browser


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "projects", "my kinds", source=photos(tmp_path))
    for name in ("first", "second"):
        run_with_model(made, name)
    return made


@contextmanager
def used(project: Project) -> Iterator["Page"]:
    with running_app(project.folder.parent, project.folder) as address, bare_chromium() as page:
        page.goto(f"{address.partition('&')[0]}&view=use")
        page.wait_for_selector("body[data-view='use']")
        yield page


def test_a_run_is_put_in_use_by_one_click_under_the_project_s_name(project: Project):
    with used(project) as page:
        assert "No model is in use yet" in page.inner_text("#view")
        page.select_option("#run", "second")
        page.fill("#reason", "it is better")
        page.click(".put button")
        page.wait_for_selector("section[aria-label='my-kinds']")

        assert "it is better" in page.inner_text("section[aria-label='my-kinds']")
        assert page.inner_text("#status") == "my-kinds is now version 1."
        assert page.get_by_text("It is not watched").count() == 1
    assert find_name(project.models, "my-kinds").current.why == "it is better"


def test_the_view_is_accessible_and_nothing_sticks_out(project: Project):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs:axe").Axe()
    promote(PromoteRequest(model=project.runs / "first", name="kinds", why="the first"), root=project.models)
    ended = {"event": "ended", "state": "finished", "cause": "", "remedy": ""}
    job = written_job(project, "export", ended)
    text = (job / "job.json").read_text().replace('{"minutes": 2}', '{"model": "first", "to": "web"}')
    (job / "job.json").write_text(text)
    with used(project) as page:
        page.wait_for_selector("section:has-text('It is not watched')")
        page.fill("input[type=url]", "https://example.org/kinds/")
        page.get_by_text("QR code", exact=True).click()
        page.wait_for_selector("img.code")
        page.get_by_text("All decisions").click()

        for look in looks(page, "use"):
            assert [one["id"] for one in axe.run(page).response["violations"]] == [], look
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), look
