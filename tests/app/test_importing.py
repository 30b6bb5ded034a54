"""Bringing images into a project: whole or not at all, below its images alone, and again from where it stopped."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.desks import running_app, signed_in
from tests.draw import class_folders, draw, encoded
from vidi.app.importing import list_folders
from vidi.data.project import read_project
from vidi.data.read import read_dataset
from vidi.errors import UsageError
from vidi.workflows.requests.data import DataRequest

IMAGE = encoded(draw("disc", size=(24, 32), seed=1))


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    with running_app(tmp_path / "projects") as address, signed_in(address) as opened:
        yield opened


def made(client: httpx.Client, name: str = "plants", **more: str) -> Path:
    response = client.post("/api/1/projects", json={"name": name, **more})
    return Path(response.raise_for_status().json()["folder"])


def put(client: httpx.Client, path: str, data: bytes, *, start: int = 0, size: int | None = None, digest: str = ""):
    asked = {"path": path, "from": start, "size": len(data) if size is None else size, "digest": digest}
    return client.put("/api/1/files", params=asked, content=data)


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_files_that_are_brought_are_a_data_set_of_class_folders(client):
    project = made(client)
    for path in ("leaf/1.png", "bark/2.png"):
        assert put(client, path, IMAGE, digest=digest_of(IMAGE)).status_code == 200

    dataset = read_dataset(DataRequest(source=str(project)).source)

    assert (dataset.name, dataset.classes) == ("plants", ("bark", "leaf"))
    assert read_project(project).owns_images


def test_files_that_lie_there_with_the_same_bytes_need_not_come_again(client):
    made(client)
    put(client, "leaf/1.png", IMAGE)

    files = {"leaf/1.png": digest_of(IMAGE), "leaf/2.png": digest_of(IMAGE)}
    found = client.post("/api/1/files/known", json={"files": files}).json()["known"]
    other = client.post("/api/1/files/known", json={"files": {"leaf/1.png": "0" * 64}}).json()["known"]

    assert (found, other) == (["leaf/1.png"], [])


def test_a_large_file_comes_in_parts_and_appears_when_it_is_whole(client):
    project, half = made(client), len(IMAGE) // 2
    place = project / "images" / "leaf" / "1.png"

    put(client, "leaf/1.png", IMAGE[:half], size=len(IMAGE))
    before = place.exists()
    put(client, "leaf/1.png", IMAGE[half:], start=half, size=len(IMAGE), digest=digest_of(IMAGE))

    assert not before
    assert place.read_bytes() == IMAGE
    assert [one.name for one in place.parent.iterdir()] == ["1.png"]


def test_a_file_that_changed_on_its_way_is_not_kept(client):
    project = made(client)

    response = put(client, "leaf/1.png", IMAGE, digest="0" * 64)

    assert response.status_code == 409
    assert not (project / "images" / "leaf" / "1.png").exists()


@pytest.mark.parametrize("path", ["../x.png", "/etc/x.png", "a/../../x.png", "C:\\x.png", "", ".DS_Store", "a/.git/x"])
def test_no_path_leads_out_of_the_project(client, path: str, tmp_path: Path):
    project = made(client)

    assert put(client, path, IMAGE).status_code == 422
    assert [one.name for one in (project / "images").rglob("*")] == []


def test_a_zip_is_kept_as_it_is_and_read_in_place(client, tmp_path: Path):
    import shutil

    folder = class_folders(tmp_path / "photos", kinds=("disc", "stripes"), each=2, size=(24, 32))
    data = Path(shutil.make_archive(str(tmp_path / "photos"), "zip", folder)).read_bytes()
    project = made(client, "photos", archive="photos.zip")
    put(client, "photos.zip", data)

    dataset = read_dataset(DataRequest(source=str(project)).source)

    assert (project / "photos.zip").read_bytes() == data
    assert (dataset.classes, len(dataset.images)) == (("disc", "stripes"), 4)


def test_a_full_disk_is_said_and_nothing_half_is_kept(client, monkeypatch):
    import errno

    project = made(client)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        response = put(client, "leaf/1.png", IMAGE)

    assert (response.status_code, response.json()["code"]) == (507, "disk-full")
    assert list((project / "images" / "leaf").iterdir()) == []


def test_folders_are_shown_below_the_home_folder_alone(tmp_path: Path, monkeypatch):
    class_folders(tmp_path / "home" / "photos", kinds=("disc", "stripes"), each=2, size=(24, 32))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))

    home = list_folders(None)
    photos = list_folders(tmp_path / "home" / "photos")

    assert [one["name"] for one in home["folders"]] == ["photos"]
    assert (home["parent"], photos["parent"], photos["images"]) == (None, str(tmp_path / "home"), 4)
    with pytest.raises(UsageError, match="not shown"):
        list_folders(tmp_path)


def test_a_pile_to_sort_lies_beside_the_images_and_the_next_one_takes_its_place(client):
    project = made(client)
    first = client.post("/api/1/piles", json={"name": "holiday"}).json()
    asked = {"path": "day 1/a.png", "from": 0, "size": len(IMAGE), "digest": digest_of(IMAGE), "pile": first["pile"]}
    assert client.put("/api/1/files", params=asked, content=IMAGE).status_code == 200
    files = {"files": {"day 1/a.png": digest_of(IMAGE)}, "pile": "holiday"}
    known = client.post("/api/1/files/known", json=files).json()["known"]

    second = client.post("/api/1/piles", json={"name": "all", "archive": "all: 1.zip"}).json()

    assert first == {"pile": "holiday", "input": "piles/holiday"}
    assert known == ["day 1/a.png"]
    assert second["input"].startswith("piles/all/all")
    assert [one.name for one in (project / "piles").iterdir()] == ["all"]
    assert list((project / "images").iterdir()) == []
    assert client.put("/api/1/files", params=asked, content=IMAGE).json()["code"] == "invalid-input"
    assert (
        client.put("/api/1/files", params={**asked, "pile": "../runs"}, content=IMAGE).json()["code"] == "invalid-input"
    )
