"""Forgetting an image: nothing that the project keeps of it is left, and the user's own file stays."""

from pathlib import Path

from tests.app.desks import running_app, signed_in
from tests.draw import class_folders
from vidi.data.labels import LabelsFile
from vidi.data.project import make_project


def photos(folder: Path) -> Path:
    return class_folders(folder, kinds=("disc", "stripes"), each=3, size=(24, 32))


def forgotten(address: str) -> dict:
    """Label the first image, then forget it."""
    with signed_in(address) as client:
        while not (shown := client.get("/api/1/images").json())["order"]:
            pass
        row = shown["order"][0]
        said = {"stamp": shown["stamp"], "rows": [row], "key": "a" * 32, "kind": "exclude", "labels": []}
        client.post("/api/1/labels", json=said).raise_for_status()
        name = f"{shown['stamp']}.{row}"
        return client.post("/api/1/forget", json={"id": name}).raise_for_status().json()


def test_an_image_in_place_is_forgotten_and_its_file_stays(tmp_path: Path):
    root = photos(tmp_path / "photos")
    before = sorted(root.rglob("*.png"))

    with running_app(tmp_path / "projects", root) as address:
        said = forgotten(address)

    assert sorted(root.rglob("*.png")) == before
    assert LabelsFile(tmp_path / "photos.labels.jsonl").opinions() == []
    assert any("answer" in one for one in said["removed"])
    assert said["left"]


def test_of_an_image_that_was_brought_the_copy_goes_too(tmp_path: Path):
    project = make_project(tmp_path / "projects", "plants")
    photos(project.source)

    with running_app(tmp_path / "projects", project.folder) as address:
        said = forgotten(address)

    assert len(list(project.source.rglob("*.png"))) == 5
    assert "1 copy in the project" in said["removed"]
