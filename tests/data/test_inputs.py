"""What `predict` is given."""

import io
import os
import pickle
import sys
import zipfile
from pathlib import Path

import pytest
from tests.data.on_disk import IMAGE, put

from vidi.data.inputs import find_paths
from vidi.errors import UsageError


def test_files_folders_patterns_and_archives_are_found_once_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "a.png", "b.txt", "more/1.png", "more/sub/2.png", "more/.DS_Store", "p/x1.png", "p/x2.png", "p/y.png")
    with zipfile.ZipFile("set.zip", "w") as archive:
        archive.writestr("in/1.png", IMAGE)

    found = find_paths(["a.png", "b.txt", "more", "p/x*.png", "p/x1.png", "set.zip"])

    assert [group.paths for group in found] == [
        ["a.png", "b.txt"],
        ["more/1.png", "more/sub/2.png"],
        ["p/x1.png", "p/x2.png"],
        ["set.zip/in/1.png"],
    ]
    assert [entry.path for entry in found[1].account.ignored] == ["more/.DS_Store"]
    for group in found:
        store = pickle.loads(pickle.dumps(group.store))
        assert {store.read(path) for path in group.paths} == {IMAGE}


def test_standard_input_is_one_image(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(IMAGE)))
    (found,) = find_paths(["-"])

    assert found.paths == ["-"]
    assert found.store.read("-") == IMAGE


def test_missing_inputs_stand_in_the_account_and_urls_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    (found,) = find_paths(["nothing.png", "no*.png"])

    assert [(entry.path, entry.code) for entry in found.account.refused] == [
        ("nothing.png", "unreadable"),
        ("no*.png", "unreadable"),
    ]
    with pytest.raises(UsageError, match="is a URL"):
        find_paths(["http://example.org/cat.jpg"])


def test_a_link_that_the_user_names_is_followed_and_one_in_a_folder_is_not(tmp_path):
    put(tmp_path, "elsewhere/real.png", "folder/own.png")
    os.symlink(tmp_path / "elsewhere/real.png", tmp_path / "folder/link.png")

    named = find_paths([str(tmp_path / "folder/link.png")])
    inside = find_paths([str(tmp_path / "folder")])
    followed = find_paths([str(tmp_path / "folder")], allow_outside=True)

    assert named[0].store.read(named[0].paths[0]) == IMAGE
    assert [Path(path).name for path in inside[0].paths] == ["own.png"]
    assert [entry.code for entry in inside[0].account.refused] == ["link-outside"]
    assert [Path(path).name for path in followed[0].paths] == ["link.png", "own.png"]
    assert followed[0].store.read(followed[0].paths[0]) == IMAGE


def test_a_pattern_sign_in_an_existing_name_is_just_a_sign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "[x].png", "x.png")

    assert find_paths(["[x].png"])[0].paths == ["[x].png"]
