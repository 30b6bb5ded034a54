"""The server of the review page over HTTP: answers are kept, two windows never collide, outliers stay out."""

import contextlib
import errno
import getpass
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.app.desks import drawn_model, photos, review_page, running_app, signed_in
from vidi.app.jobs import LOG
from vidi.app.pages import POLICY
from vidi.app.reviewing import ProjectReview, view_document
from vidi.data.checked import SuspectLabel
from vidi.data.labels import LabelsFile, Opinion, labels_beside
from vidi.data.project import read_project
from vidi.evaluation.run_files import write_suspects
from vidi.labelling import ModelView
from vidi.log.store import PredictionLog
from vidi.workflows.interaction.run_folder import write_request
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.in_use import ReviewRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.review import ReviewProgress, ReviewView
from vidi.workflows.reviewing.items import ReviewItem

FIRST, SECOND = "1" * 32, "2" * 32  # windows


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_model(tmp_path_factory.mktemp("model") / "kinds.onnx")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos(tmp_path_factory.mktemp("data"))


@pytest.fixture
def client(place: Path, model: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a review whose labels go to a file of the test's own."""
    request = ReviewRequest(source=str(place), model=model, labels=str(tmp_path / "labels.jsonl"))
    with review_page(request) as address, signed_in(address) as client:
        yield client


def step(client: httpx.Client, path: str, window: str = FIRST, **body: object) -> dict:
    return client.post(path, json={"window": window, **body}).raise_for_status().json()


def answer(client: httpx.Client, view: dict, *labels: str, key: str, window: str = FIRST, kind: str = "label") -> dict:
    digest = view["image"]["digest"]
    return step(client, "/api/1/review/answers", window, digest=digest, key=key, kind=kind, labels=list(labels))


def kept(tmp_path: Path) -> list[Opinion]:
    return LabelsFile(tmp_path / "labels.jsonl").opinions()


def test_an_answer_is_on_the_disk_before_the_next_image_comes(client, tmp_path):
    first = step(client, "/api/1/review/next")

    second = answer(client, first, "square", key="a" * 32)

    assert second["image"]["digest"] != first["image"]["digest"]
    assert second["progress"] == {"images": 6, "left": 5, "yours": 1}
    (row,) = kept(tmp_path)
    assert (row.path, row.labels, row.source) == (first["image"]["name"], ("square",), getpass.getuser())


def test_of_a_doubtful_label_the_answer_is_shown_that_made_it_one(place, model, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    write_request(run, TrainRequest(data=DataRequest(source=str(place))).as_dict())
    shutil.copy(model, run / "model.onnx")
    doubted = SuspectLabel(
        path="disc/001.png",
        digest="",
        part="train",
        label="disc",
        suggested="stripes",
        confidence=0.01,
        suggested_confidence=0.987,
    )
    write_suspects(run, [doubted])

    with (
        review_page(ReviewRequest(source=str(run))) as address,
        signed_in(address) as client,
    ):
        image, after = step(client, "/api/1/review/next")["image"], client.get("/api/1/review").json()["after"]

    assert (image["name"], image["given"], image["verdict"]) == ("disc/001.png", ["disc"], None)
    assert image["answer"] == "A model that did not learn from this image says stripes, 99 %."
    assert image["top"] == [{"class": "stripes", "share": "99 %"}]
    assert after == [f"vidi retrain {run}"]


def test_of_an_unknown_image_neither_candidates_nor_shares_are_shown():
    item = ReviewItem(
        digest="0" * 64,
        name="a.png",
        occasion="uncertain",
        verdict="unknown",
        candidates=("disc", "stripes"),
        view=ModelView(np.array([0.7, 0.2, 0.1], np.float32), ("label", ("disc",)), False),
    )
    progress = ReviewProgress(images=1, left=1, yours=0)

    shown = view_document(
        ReviewView(item=item, settled=None, disputes=(), progress=progress, can_undo=False),
        ("disc", "square", "stripes"),
    )["image"]

    assert shown["answer"] == "The model says: strange image, unlike the training images; nearest: disc"
    assert shown["candidates"] == []
    assert {one["share"] for one in shown["top"]} == {""}


def test_the_same_answer_sent_twice_counts_once(client, tmp_path):
    first = step(client, "/api/1/review/next")
    answer(client, first, "disc", key="a" * 32)

    answer(client, first, "disc", key="a" * 32)

    assert len(kept(tmp_path)) == 1


def test_a_full_disk_is_named_and_what_was_answered_before_stays(client, tmp_path, monkeypatch):
    view = answer(client, step(client, "/api/1/review/next"), "disc", key="a" * 32)
    body = {"window": FIRST, "digest": view["image"]["digest"], "key": "b" * 32, "kind": "none", "labels": []}

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        response = client.post("/api/1/review/answers", json=body)

    assert (response.status_code, response.json()["code"]) == (507, "disk-full")
    assert "No space left" in response.json()["detail"]
    assert len(kept(tmp_path)) == 1


def test_undo_takes_the_answer_back_and_shows_its_image_again(client, tmp_path):
    first = step(client, "/api/1/review/next")
    answer(client, first, key="a" * 32, kind="none")

    again = step(client, "/api/1/review/undo")

    assert again["image"]["digest"] == first["image"]["digest"]
    assert kept(tmp_path) == []
    assert again["can_undo"] is False


def test_two_windows_are_shown_different_images_and_a_reload_the_same_one(client):
    mine, others = step(client, "/api/1/review/next"), step(client, "/api/1/review/next", SECOND)

    assert mine["image"]["digest"] != others["image"]["digest"]
    assert step(client, "/api/1/review/next")["image"]["digest"] == mine["image"]["digest"]


def test_when_every_image_has_an_answer_nothing_is_left(client):
    view = step(client, "/api/1/review/next")
    for number in range(6):
        view = answer(client, view, key=f"{number:032x}", kind="unclear")

    assert view["image"] is None
    assert view["progress"]["left"] == 0


def test_images_come_decoded_and_coded_again(client):
    view = step(client, "/api/1/review/next")

    response = client.get(f"/api/1/review/images/{view['image']['digest']}")

    assert response.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.size == (160, 120)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"kind": "label", "labels": ["spam"], "key": "a" * 32}, 422, "labels"),
        ({"kind": "label", "labels": [], "key": "a" * 32}, 422, "labels"),
        ({"kind": "label", "labels": ["disc", "square"], "key": "a" * 32}, 422, "labels"),
        ({"kind": "none", "labels": ["disc"], "key": "a" * 32}, 422, "labels"),
        ({"kind": "maybe", "labels": [], "key": "a" * 32}, 422, "kind"),
        ({"kind": "none", "labels": [], "key": "short"}, 422, "key"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_and_not_kept(client, tmp_path, body, status, words):
    digest = step(client, "/api/1/review/next")["image"]["digest"]

    response = client.post("/api/1/review/answers", json={"window": FIRST, "digest": digest, **body})

    assert response.status_code == status
    assert words in response.json()["error"]
    assert not (tmp_path / "labels.jsonl").exists()


def test_images_that_are_not_reviewed_are_not_given_out(client):
    assert client.get(f"/api/1/review/images/{'0' * 64}").status_code == 422
    assert client.post("/api/1/review/show", json={"window": FIRST, "digest": "0" * 64}).status_code == 422


def test_pages_of_other_sites_and_other_names_are_kept_out(client):
    foreign = client.post("/api/1/review/next", json={"window": FIRST}, headers={"Origin": "https://evil.example"})
    renamed = client.get("/api/1/review", headers={"Host": "evil.example"})
    plain = client.post("/api/1/review/next", content=b"{}", headers={"Content-Type": "text/plain"})

    assert (foreign.status_code, renamed.status_code, plain.status_code) == (403, 421, 415)


def test_the_page_may_load_nothing_but_its_own_files(client):
    page = client.get("/")

    assert page.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert "style=" not in page.text
    assert client.get("/nothing").status_code == 404


def test_the_app_reviews_the_data_of_its_project_where_a_log_keeps_no_image(tmp_path: Path):
    data = photos(tmp_path)
    with running_app(tmp_path / "projects", data) as address, signed_in(address) as client:
        first = client.get("/api/1/review").json()
        step = {"window": "0" * 32}
        shown = client.post("/api/1/review/next", json=step).json()["image"]
        said = {**step, "digest": shown["digest"], "key": "1" * 32, "kind": "label", "labels": ["disc"]}
        client.post("/api/1/review/answers", json=said).raise_for_status()
        project = read_project(Path(client.get("/api/1/project").json()["project"]["folder"]))

    assert first["classes"] == ["disc", "stripes"]
    assert LabelsFile(labels_beside(data)).opinions()[0].digest == shown["digest"]
    PredictionLog.open(str(project.folder / LOG)).close()
    with contextlib.closing(ProjectReview(project)) as review:
        assert review.desk({}).source.title == first["title"]
