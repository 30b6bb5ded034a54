"""Try in a browser: the phone page in the app, two clicks from a wrong answer to a label, nothing off the origin."""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.app.desks import looks, photos, running_app
from tests.app.test_try import run_with_model
from tests.app.working import written_job
from tests.draw import draw, encoded
from tests.export.browser import bare_chromium, chromium
from vidi.data.joined import path_at_source
from vidi.data.labels import labels_beside
from vidi.data.project import Project, make_project
from vidi.model_file.read import read_model
from vidi.prediction.predictor import Predictor, embed_images
from vidi.workflows.explaining.neighbours import TrainingImage, write_neighbours

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Page

pytestmark = pytest.mark.slow  # starts a browser

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "projects", "kinds", source=photos(tmp_path))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "my disc.png"
    path.write_bytes(encoded(draw("disc", size=(60, 80))))
    return path


def with_neighbours(run: Path) -> None:
    """Give a run what explanations are told of its training images."""
    model = read_model(run / "model.onnx")
    pictures = [draw(kind, size=(16, 16), seed=seed) for kind in ("disc", "stripes") for seed in range(3)]
    rows = np.arange(len(pictures))
    embeddings = embed_images(Predictor.load(model.path), np.stack(pictures), rows)

    def image_of(row: int) -> TrainingImage:
        label = "disc" if row < 3 else "stripes"
        return TrainingImage(path=f"{row}.png", labels=(label,), digest=None, size=(16, 16), framed=pictures[row])

    write_neighbours(
        run,
        rows,
        embeddings,
        image_of,
        framing=model.metadata.framing,
        weights_digest=next(iter(model.metadata.known_digests)),
        with_images=True,
    )


@contextmanager
def tried(project: Project, *, flags: tuple[str, ...] = ()) -> Iterator[tuple["Page", "FrameLocator"]]:
    """The view, and the phone page in it with its model open."""
    with running_app(project.folder.parent, project.folder) as address, chromium(*flags) as page:
        page.goto(f"{address.partition('&')[0]}&view=try")
        frame = page.frame_locator("iframe")
        frame.locator("body[data-ready]").wait_for()
        yield page, frame


def test_a_wrong_answer_becomes_a_label_by_two_clicks(project: Project, image: Path):
    run_with_model(project, "first")
    with tried(project) as (page, frame):
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        frame.locator("#files").set_input_files(image)
        said = frame.locator("#label").inner_text()
        other = frame.locator("#others button").first.text_content()
        frame.locator("#wrong").click()
        frame.locator("#others button").first.click()
        frame.locator("#thanked:has-text('Kept')").wait_for()
        origin = page.evaluate("location.origin")

    (row,) = [json.loads(line) for line in labels_beside(project.source).read_text("utf-8").splitlines()]
    assert row["labels"] == [other]
    assert other != said
    assert (project.folder / "images" / path_at_source(row["path"])).read_bytes() == image.read_bytes()
    assert all(one.startswith((origin, "blob:")) for one in asked)


def test_a_frozen_frame_of_the_camera_becomes_a_label_too(project: Project):
    run_with_model(project, "first")
    with tried(project, flags=CAMERA) as (_, frame):
        frame.locator("#live").click()
        frame.locator("body[data-frames]").wait_for()
        frame.locator("#freeze").click()
        frame.locator("#wrong").click()
        frame.locator("#others button").first.click()
        frame.locator("#thanked:has-text('Kept')").wait_for()

    assert [path.suffix for path in (project.folder / "images").iterdir()] == [".png"]


def test_training_images_that_are_alike_are_shown_for_a_still_image(project: Project, image: Path):
    with_neighbours(run_with_model(project, "first"))
    with tried(project) as (page, frame):
        frame.locator("#files").set_input_files(image)
        page.wait_for_selector(".alike li")

        assert page.locator(".alike img").count() == 3
        assert page.locator(".alike li").first.inner_text().startswith("disc, ")


def test_the_view_and_its_frame_are_accessible_and_nothing_sticks_out(project: Project, image: Path):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs:axe").Axe()
    with_neighbours(run_with_model(project, "first"))
    with tried(project) as (page, frame):
        frame.locator("#files").set_input_files(image)
        page.wait_for_selector(".alike li")
        frame.locator("#wrong").click()
        for look in looks(page, "try"):
            for part in page.frames:
                assert [one["id"] for one in axe.run(part).response["violations"]] == [], look
                assert part.evaluate("document.documentElement.scrollWidth <= innerWidth"), look


def test_a_folder_of_this_computer_is_chosen_and_its_sorting_is_a_job(project: Project):
    run_with_model(project, "first")
    folder = written_job(project, "predict", {"event": "ended", "state": "finished", "cause": "", "remedy": ""})
    text = (folder / "job.json").read_text().replace('{"minutes": 2}', '{"model": "runs/first", "inputs": ["/pile"]}')
    (folder / "job.json").write_text(text)
    with tried(project) as (page, _):
        said = page.inner_text(".sort")
        page.get_by_text("A folder on this computer", exact=True).first.click()
        page.wait_for_selector("dialog[open] .path:not(:empty)")

    assert f"/pile is sorted: the copies are in {folder / 'sorted'}." in said


def test_a_dropped_pile_is_brought_sorted_and_comes_back_as_one_file(project: Project, tmp_path: Path):
    run_with_model(project, "first")
    pile = tmp_path / "holiday"
    (pile / "day 1").mkdir(parents=True)
    for seed in range(3):
        (pile / "day 1" / f"{seed}.png").write_bytes(encoded(draw("disc", size=(60, 80), seed=seed)))
    with tried(project) as (page, _):
        page.locator(".sort input[webkitdirectory]").set_input_files(pile)
        with page.expect_download() as waiting:
            page.get_by_text("Download the sorted images").click(timeout=60_000)
        said = page.inner_text(".sort")
        with zipfile.ZipFile(waiting.value.path()) as archive:
            names = archive.namelist()

    assert "holiday is sorted" in said
    assert sorted(Path(name).name for name in names) == ["0.png", "1.png", "2.png"]
    assert sorted(one.name for one in pile.rglob("*.png")) == ["0.png", "1.png", "2.png"]


def test_a_project_without_a_model_says_what_to_do(project: Project):
    with running_app(project.folder.parent, project.folder) as address, bare_chromium() as page:
        page.goto(f"{address.partition('&')[0]}&view=try")
        page.wait_for_selector("body[data-view='try']")

        assert "no model yet" in page.inner_text("#view")
