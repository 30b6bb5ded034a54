"""The routes about images: pages of columns, pictures that are kept, answers that are on the disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.desks import photos, running_app, signed_in
from vidi.data.labels import LabelsFile, labels_beside
from vidi.files import digest_of_file

KEY = "0" * 31


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def client(source: Path) -> Iterator[httpx.Client]:
    with running_app(source.parent / "projects", source) as address, signed_in(address) as opened:
        while opened.get("/api/1/findings").json()["stage"] != "done":
            pass
        yield opened


def images(client: httpx.Client, **asked: Any) -> dict[str, Any]:
    return client.get("/api/1/images", params=asked).raise_for_status().json()


def said(client: httpx.Client, found: dict[str, Any], rows: list[int], key: str, **more: Any) -> httpx.Response:
    body = {"stamp": found["stamp"], "rows": rows, "key": KEY + key, "kind": "label", "labels": [], **more}
    return client.post("/api/1/labels", json=body)


def test_a_page_gives_the_order_of_all_and_describes_the_first(client):
    found = images(client, filter="unlabelled", n=2)

    assert len(found["order"]) == found["filters"]["unlabelled"] == 6
    assert found["described"]["row"] == found["order"][:2]
    assert found["described"]["label"] == [-1, -1]
    assert [one["name"] for one in found["classes"]] == ["disc", "stripes"]
    rest = images(client, rows=",".join(map(str, found["order"][2:])), stamp=found["stamp"])
    assert rest["described"]["row"] == found["order"][2:]


def test_pictures_named_by_digest_are_kept_for_good_and_others_are_not(client, source):
    digest = digest_of_file(source / "disc/000.png")
    small, large = client.get(f"/api/1/thumbs/{digest}"), client.get(f"/api/1/image/{digest}")
    by_row = client.get(f"/api/1/thumbs/{images(client)['stamp']}.0")

    assert (small.headers["content-type"], large.headers["content-type"]) == ("image/webp", "image/png")
    assert small.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert by_row.headers["cache-control"] == "no-store"
    assert by_row.content == small.content
    assert len(small.content) < 12_000


def test_one_image_is_described_with_its_size_and_copies(client, source):
    found = client.get(f"/api/1/images/{digest_of_file(source / 'disc/000.png')}").json()

    assert found["size"] == [120, 160]
    assert found["described"]["path"] == ["disc/000.png"]
    assert found["copies"]["row"] == []


def test_an_answer_is_on_the_disk_when_it_is_confirmed_and_undone_after(client, source):
    found = images(client, filter="unlabelled")

    answer = said(client, found, found["order"][:3], "1", labels=["square"]).json()
    kept = LabelsFile(labels_beside(source)).opinions()
    undone = client.post("/api/1/labels/undo").json()

    assert (answer["count"], answer["lost"], answer["filters"]["unlabelled"]) == (3, 0, 3)
    assert answer["classes"][-1] == {"name": "square", "count": 3}
    assert [one.labels for one in kept] == [("square",)] * 3
    assert (undone["count"], undone["filters"]["unlabelled"], undone["can_undo"]) == (3, 6, False)


def test_what_does_not_fit_is_refused_in_words(client):
    found = images(client)
    refused = {
        "conflict": said(client, {"stamp": "old"}, [0], "2", labels=["disc"]),
        "invalid-input": said(client, found, [10**6], "3", labels=["disc"]),
    }

    assert {code: answer.json()["code"] for code, answer in refused.items()} == {code: code for code in refused}
    assert client.get("/api/1/images", params={"filter": "odder"}).json()["code"] == "invalid-input"
    assert client.get("/api/1/images", params={"digests": "zz"}).json()["code"] == "invalid-input"
    assert client.get(f"/api/1/thumbs/{'a' * 64}").json()["code"] == "invalid-input"
    assert client.get("/api/1/thumbs/..%2F..%2Fetc").status_code in (404, 422)
