"""Try: the project's models are offered, and what a person says of an answer is kept in the project."""

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.app.desks import drawn_model, photos, running_app, signed_in
from tests.draw import draw, encoded
from vidi.app.corrections import keep_image
from vidi.app.gallery import Gallery
from vidi.data.labels import LabelsFile, labels_beside
from vidi.data.project import Project, make_project
from vidi.data.read import read_dataset
from vidi.files import digest_of
from vidi.workflows.interaction.request import labelled_in_project, read_feedback, read_source
from vidi.workflows.promote import promote
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.in_use import PromoteRequest


def run_with_model(project: Project, name: str) -> Path:
    """A finished run of random weights."""
    folder = project.runs / name
    folder.mkdir(parents=True)
    drawn_model(folder / "model.onnx")
    (folder / "metrics.json").write_text("{}", encoding="utf-8")
    return folder


@contextmanager
def trying(project: Project) -> Iterator[httpx.Client]:
    """A client of an app that has the project open."""
    with running_app(project.folder.parent, project.folder) as address, signed_in(address) as client:
        yield client


def kept_rows(project: Project) -> list[dict]:
    return [json.loads(line) for line in (project.folder / "labels.jsonl").read_text("utf-8").splitlines()]


DISC = encoded(draw("disc", size=(60, 80), seed=7))


def test_models_in_use_come_before_runs_and_the_phone_page_gets_them(tmp_path: Path):
    project = make_project(tmp_path, "kinds", source=photos(tmp_path))
    run = run_with_model(project, "first")
    run_with_model(project, "second")
    promote(PromoteRequest(model=run, name="kinds"), root=project.models)

    with trying(project) as client:
        offered = client.get("/api/1/try").json()
        named = client.get("/api/1/try", params={"run": "first"}).json()
        listed = client.get("/try/models.json").json()
        page, model = client.get("/try/"), client.get(f"/try/{listed['models'][0]['path']}model.onnx")

    assert offered == {
        "models": [{"name": "kinds", "of": "models/kinds"}, {"name": "second", "of": "runs/second"}],
        "refused": [],
        "begins": None,
    }
    assert named["begins"] == "first"
    assert listed["server"]["feedback"] == "../api/1/feedback"
    assert "wasm-unsafe-eval" in page.headers["content-security-policy"]
    assert "frame-ancestors 'self'" in page.headers["content-security-policy"]
    assert model.content == (run / "model.onnx").read_bytes()


def test_where_a_browser_cannot_run_the_model_this_computer_answers(tmp_path: Path):
    project = make_project(tmp_path, "kinds", source=photos(tmp_path))
    run_with_model(project, "first")

    with trying(project) as client:
        client.get("/api/1/try").raise_for_status()
        answer = client.post(
            "/try/v1/predict", params={"model": "first"}, content=DISC, headers={"content-type": "image/png"}
        )

    assert answer.json()["predictions"][0]["label"] in ("disc", "square", "stripes")


def test_a_project_without_a_model_offers_none(tmp_path: Path):
    with trying(make_project(tmp_path, "new")) as client:
        assert client.get("/api/1/try").json() == {"models": [], "refused": [], "begins": None}


def test_a_model_that_cannot_be_trusted_is_named_and_the_others_are_offered(tmp_path: Path):
    project = make_project(tmp_path, "kinds", source=photos(tmp_path))
    run_with_model(project, "good")
    (run_with_model(project, "bad") / "model.onnx").write_bytes(b"no model")

    with trying(project) as client:
        offered = client.get("/api/1/try").json()

    assert [one["name"] for one in offered["models"]] == ["good"]
    assert [one["name"] for one in offered["refused"]] == ["bad"]


def test_an_image_and_its_label_are_kept_and_the_next_training_reads_both(tmp_path: Path):
    project = make_project(tmp_path, "kinds")
    for kind in ("disc", "stripes"):
        folder = project.source / kind
        folder.mkdir()
        for seed in range(2):
            (folder / f"{seed}.png").write_bytes(encoded(draw(kind, size=(60, 80), seed=seed)))

    with trying(project) as client:
        asked = {"kind": "label", "label": "disc", "name": "../My photo.png"}
        first = client.post("/api/1/feedback", params=asked, content=DISC)
        client.post("/api/1/feedback", params={**asked, "label": "stripes"}, content=DISC).raise_for_status()

    name = first.json()["kept"]
    dataset = read_dataset(project.source)
    (image,) = [one for one in dataset.images if one.path == name]
    assert (project.source / name).read_bytes() == DISC
    assert [row["labels"] for row in kept_rows(project)] == [["disc"], ["stripes"]]
    assert [dataset.classes[index] for index in image.labels] == ["stripes"]  # the last answer counts
    assert len(dataset.images) == 5


def test_images_in_place_stay_as_they_are_and_what_is_kept_is_read_with_their_project(tmp_path: Path):
    data = photos(tmp_path)
    before = sorted(path.relative_to(tmp_path) for path in data.rglob("*"))
    project = make_project(tmp_path / "projects", "kinds", source=data)

    with trying(project) as client:
        asked = {"kind": "label", "label": "square", "name": "a.png"}
        client.post("/api/1/feedback", params=asked, content=DISC).raise_for_status()

    assert sorted(path.relative_to(tmp_path) for path in data.rglob("*")) == before
    asked = DataRequest(source=str(data))
    kept = read_feedback(asked, str(project.folder / "images"))
    assert [[kept.classes[index] for index in one.labels] for one in kept.images] == [["square"]]
    assert len(read_source(asked).images) == 6  # of the drawn ones that lie in class folders
    assert len(read_source(DataRequest(source=str(project.folder))).images) == 7
    assert labelled_in_project(project.runs / "first", asked) == str(project.folder / "images")


def test_what_is_said_of_an_image_that_the_project_has_is_said_of_that_file_and_its_copies(tmp_path: Path):
    data = photos(tmp_path)
    image = (data / "disc" / "000.png").read_bytes()
    (data / "stripes" / "copy.png").write_bytes(image)
    project = make_project(tmp_path / "projects", "kinds", source=data)

    kept = keep_image(
        project, image, ("label", ("disc",)), name="a.png", who="ann", known=["disc/000.png", "stripes/copy.png"]
    )

    said = LabelsFile(labels_beside(data)).opinions()
    assert kept == "disc/000.png"
    assert [(one.path, one.labels) for one in said] == [("disc/000.png", ("disc",)), ("stripes/copy.png", ("disc",))]
    assert not (project.folder / "images").exists()


def test_the_images_of_a_project_are_found_by_their_bytes(tmp_path: Path):
    data = photos(tmp_path)
    image = (data / "disc" / "000.png").read_bytes()
    (data / "stripes" / "copy.png").write_bytes(image)
    with contextlib.closing(Gallery.open(data, labels_beside(data), who="ann")) as gallery:
        gallery.wait()

        assert sorted(gallery.paths_of(digest_of(image))) == ["disc/000.png", "stripes/copy.png"]
        assert gallery.paths_of(digest_of(DISC)) == []


@pytest.mark.parametrize(
    ("asked", "content", "code"),
    [
        ({"kind": "label"}, DISC, "invalid-input"),
        ({"kind": "none", "label": "disc"}, DISC, "invalid-input"),
        ({"kind": "perhaps"}, DISC, "invalid-input"),
        ({"kind": "none"}, b"no image", "unusable-image"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_leaves_nothing(tmp_path: Path, asked: dict, content: bytes, code: str):
    project = make_project(tmp_path, "kinds")

    with trying(project) as client:
        answer = client.post("/api/1/feedback", params=asked, content=content)

    assert answer.json()["code"] == code
    assert list((project.folder / "images").iterdir()) == []
    assert not (project.folder / "labels.jsonl").exists()
