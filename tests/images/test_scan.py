"""Scanning folders: links, pipes, rights, odd names and system files."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.draw import draw, encoded
from vidi.errors import ImageError
from vidi.files import escape_path, unescape_path
from vidi.images.account import Entry
from vidi.images.pool import DecodeJob, read_images
from vidi.images.scan import scan_folder
from vidi.images.store import FolderStore

IMAGE = encoded(draw("disc"))

posix = pytest.mark.skipif(os.name != "posix", reason="hardware:posix file types")


def put(path: Path, data: bytes = IMAGE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def codes(entries: list[Entry]) -> dict[str, str]:
    return {entry.path: entry.code for entry in entries}


def test_files_come_by_name_with_their_size(tmp_path):
    for name in ("b/2.png", "a/1.png", "scan0001"):
        put(tmp_path / name)
    scan = scan_folder(tmp_path)
    assert [file.path for file in scan.files] == ["a/1.png", "b/2.png", "scan0001"]
    assert {file.byte_count for file in scan.files} == {len(IMAGE)}


def test_documents_and_tables_are_ignored_by_name(tmp_path):
    for name in ("README.md", "labels.csv", "notes.TXT", "cat.jpg"):
        put(tmp_path / name)
    scan = scan_folder(tmp_path)
    assert [file.path for file in scan.files] == ["cat.jpg"]
    assert set(codes(scan.ignored).values()) == {"other-file"}
    assert len(scan.ignored) == 3


def test_a_root_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="does not exist"):
        scan_folder(tmp_path / "none")


@pytest.mark.fault
def test_a_folder_with_an_images_name_is_walked(tmp_path):
    (tmp_path / "empty.jpg").mkdir()
    put(tmp_path / "full.png" / "inside.png")
    scan = scan_folder(tmp_path)
    assert [file.path for file in scan.files] == ["full.png/inside.png"]
    assert scan.empty_folders == ["empty.jpg"]
    with pytest.raises(ImageError) as caught:
        FolderStore(tmp_path).read("empty.jpg")
    assert caught.value.code == "not-a-file"


@posix
@pytest.mark.fault
def test_pipes_sockets_and_devices_are_known_by_type_and_never_opened(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "null.png").symlink_to("/dev/null")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.jpg")
        scan = scan_folder(tmp_path)
    assert codes(scan.refused) == dict.fromkeys(["null.png", "pipe.jpg", "socket.jpg", "zero.jpg"], "not-a-file")
    for entry in scan.refused:
        with pytest.raises(ImageError) as caught:
            FolderStore(tmp_path).read(entry.path)
        assert caught.value.code == "not-a-file"


WITHOUT_RIGHTS = """
import os, sys
from pathlib import Path
from vidi.images.store import FolderStore
from vidi.images.scan import scan_folder
from vidi.images.pool import DecodeJob, read_images
root = Path(sys.argv[1])
# Loads the decoder, which lies where only root may read.
list(read_images(FolderStore(root), ["good.png"], DecodeJob(), isolated=False))
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
scan = scan_folder(root)
for read in read_images(FolderStore(root), [file.path for file in scan.files], DecodeJob(), isolated=False):
    print(read.path, read.error.code if read.error else "used")
for entry in scan.refused:
    print(entry.path, entry.code)
"""


@posix
@pytest.mark.fault
def test_what_may_not_be_read_is_refused_and_the_rest_goes_on(tmp_path):
    root = tmp_path / "data"
    put(root / "good.png")
    put(root / "closed.png").chmod(0)
    put(root / "folder" / "inside.png")
    (root / "folder").chmod(0)
    for folder in (root, *root.parents):
        if folder.owner() == root.owner() and folder != Path("/tmp"):  # noqa: S108
            folder.chmod(folder.stat().st_mode | 0o055)
    source = Path(__file__).parents[2] / "src"
    command = [sys.executable, "-c", WITHOUT_RIGHTS, str(root)]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(source)}, check=False
        )
    finally:
        (root / "folder").chmod(0o755)
    if "Permission denied" in result.stderr and "vidi" not in result.stdout:
        pytest.skip("hardware:the interpreter itself cannot be read without rights")
    assert sorted(result.stdout.split("\n")[:-1]) == ["closed.png unreadable", "folder unreadable", "good.png used"]


@posix
@pytest.mark.fault
def test_links_end_and_do_not_lead_out(tmp_path):
    outside = put(tmp_path / "elsewhere" / "secret.png")
    root = tmp_path / "data"
    put(root / "real.png")
    links = {
        "dangling.png": "nowhere.png",
        "self.png": "self.png",
        "a.png": "b.png",
        "b.png": "a.png",
        "up": "..",
        "here": ".",
        "outside.png": outside,
        "out": outside.parent,
        "good.png": "real.png",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    scan = scan_folder(root)
    assert [file.path for file in scan.files] == ["good.png", "real.png"]
    assert codes(scan.ignored) == {"here": "folder-link", "up": "folder-link"}
    assert codes(scan.refused) == {
        "dangling.png": "unreadable",
        "self.png": "unreadable",
        "a.png": "unreadable",
        "b.png": "unreadable",
        "outside.png": "link-outside",
        "out": "link-outside",
    }
    one, other = read_images(FolderStore(root), ["good.png", "real.png"], DecodeJob(), isolated=False)
    assert one.digest == other.digest


@posix
@pytest.mark.fault
def test_links_that_lead_out_are_followed_where_that_is_asked_for(tmp_path):
    outside = put(tmp_path / "elsewhere" / "one.png")
    root = tmp_path / "data"
    put(root / "real.png")
    (root / "out").symlink_to(outside.parent)
    (outside.parent / "back").symlink_to(root)
    (outside.parent / "again").symlink_to(outside.parent)
    scan = scan_folder(root, allow_outside=True)
    assert [file.path for file in scan.files] == ["out/one.png", "real.png"]
    assert FolderStore(root, allow_outside=True).read("out/one.png") == IMAGE


@pytest.mark.fault
def test_a_path_that_climbs_out_is_refused_before_it_is_opened(tmp_path):
    put(tmp_path / "secret.png")
    (tmp_path / "data").mkdir()
    for path in ("../secret.png", str(tmp_path / "secret.png"), "x/../../secret.png"):
        with pytest.raises(ImageError) as caught:
            FolderStore(tmp_path / "data").read(path)
        assert caught.value.code == "link-outside"
    with pytest.raises(ImageError) as caught:
        FolderStore(tmp_path / "data").read("zero\0byte.png")
    assert caught.value.code == "unreadable"


NAMES = [
    "ünïcödé",
    "图片",
    "صورة",
    "🐈",
    "é",
    "é",
    "new\nline",
    "tab\t",
    "cr\r",
    "esc\x1b[31m",
    "bell\x07",
    "-rf",
    "--help",
    "%s%n%d",
    "$(id)",
    "`id`",
    "a;b",
    "a|b",
    "a&b",
    "<script>",
    "'quote\"",
    "back\\slash",
    "*",
    "[x]",
    "{x}",
    "CON",
    "nul",
    "a:b",
    "..",
    "\u202egnp.exe",
    "\u200bzero",
    "two.dots",
    "=cmd|'x'!A1",
    ",comma",
]


@posix
@pytest.mark.fault
def test_odd_names_are_used_and_can_be_read_back_from_text(tmp_path):
    names = [
        *NAMES,
        " lead",
        "trail ",
        "x" * 251,
        "\udcff\udcfe\udc80",
        "latin1-\udce9",
        "/".join(["d" * 60] * 12) + "/deep",
    ]
    for name in names:
        put(tmp_path / f"{name}.png")
    scan = scan_folder(tmp_path)
    assert {file.path for file in scan.files} == {f"{name}.png" for name in names}
    answers = list(read_images(FolderStore(tmp_path), [file.path for file in scan.files], DecodeJob(), isolated=False))
    assert [answer.error for answer in answers] == [None] * len(names)
    for file in scan.files:
        text = escape_path(file.path)
        assert text.isprintable()
        assert os.fsencode(unescape_path(text)) == os.fsencode(file.path)


@posix
@pytest.mark.fault
def test_odd_names_reach_a_worker_process(tmp_path):
    for name in ("\udcff\udcfe.png", "new\nline.png"):
        put(tmp_path / name)
    paths = [file.path for file in scan_folder(tmp_path).files]
    assert [answer.error for answer in read_images(FolderStore(tmp_path), paths, DecodeJob())] == [None, None]


@pytest.mark.fault
def test_system_litter_is_ignored_and_counted(tmp_path):
    litter = [
        ".hidden.png",
        "Thumbs.db",
        ".DS_Store",
        "__MACOSX/._cat.jpg",
        "._cat.jpg",
        "desktop.ini",
        ".git/x.png",
        ".ipynb_checkpoints/x.png",
        "@eaDir/x.jpg",
        "~$lock.png",
        ".nfs0001",
    ]
    for name in (*litter, "good.png"):
        put(tmp_path / name)
    scan = scan_folder(tmp_path)
    assert [file.path for file in scan.files] == ["good.png"]
    assert not scan.refused
    assert len(scan.ignored) == len(litter)
    assert {entry.code for entry in scan.ignored} == {"hidden"}


@pytest.mark.fault
def test_a_name_that_says_another_format_is_remarked(tmp_path):
    put(tmp_path / "photo.jpg")
    put(tmp_path / "image.txt")
    scan = scan_folder(tmp_path)
    assert codes(scan.ignored) == {"image.txt": "other-file"}
    (answer,) = read_images(FolderStore(tmp_path), [file.path for file in scan.files], DecodeJob(), isolated=False)
    assert answer.notes == ("format-differs",)
