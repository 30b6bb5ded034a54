"""Downloading a known set, from a server on this machine."""

import hashlib
import http.server
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from tests.command import vidi
from tests.detection.made_detector import made_onnx

from vidi.data.known_sets.fetch import DOWNLOADS, Download, fetch
from vidi.errors import DataError, ResourceError, UnknownNameError
from vidi.model_file.read import read_model

DATA = bytes(range(256)) * 4_000


def fetch_from(files: list[Download], name: str, **options: Any) -> Path:
    """Fetch a set whose files are these."""
    with mock.patch.dict(DOWNLOADS, {name: tuple(files)}):
        return fetch(name, **options)


@dataclass
class Server:
    """What it serves, how it misbehaves, and what it was asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    stop_after: int | None = None  # bytes of the body, then the connection is dropped
    ignores_ranges: bool = False
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on loopback, for sets that lie in the test's folder."""
    monkeypatch.setenv("VIDI_DATA", str(tmp_path))
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            state.ranges.append(wanted)
            data = state.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and not state.ignores_ranges else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            end = len(data) if state.stop_after is None else start + state.stop_after
            self.wfile.write(data[start:end])

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        state.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield state
        listening.shutdown()
        thread.join()


def offer(server: Server, name: str, data: bytes) -> Download:
    """Put a file on the server."""
    server.files[f"/{name}"] = data
    return Download(f"{server.url}/{name}", len(data), hashlib.sha256(data).hexdigest())


def names(folder: Path) -> list[str]:
    """The files that a user sees."""
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def test_a_set_is_downloaded_checked_and_reported(server, tmp_path):
    seen: list[tuple[str, int, int]] = []
    files = [offer(server, "a.gz", DATA), offer(server, "b.gz", b"b")]

    folder = fetch_from(files, "mnist", on_progress=lambda *step: seen.append(step))

    assert folder == tmp_path / "mnist"
    assert names(folder) == ["a.gz", "b.gz"]
    assert (folder / "a.gz").read_bytes() == DATA
    assert seen[-1] == ("b.gz", 1, 1)
    assert [step for step in seen if step[0] == "a.gz"][-1] == ("a.gz", len(DATA), len(DATA))


def test_what_is_there_is_not_downloaded_again(server, tmp_path):
    files = [offer(server, "a.gz", DATA)]
    fetch_from(files, "mnist")

    fetch_from(files, "mnist")
    assert len(server.ranges) == 1

    (tmp_path / "mnist" / "a.gz").write_bytes(b"damaged")
    fetch_from(files, "mnist")
    assert (tmp_path / "mnist" / "a.gz").read_bytes() == DATA


def test_a_broken_download_is_continued_where_it_stopped(server, tmp_path):
    files = [offer(server, "a.gz", DATA)]
    server.stop_after = 300_000

    with pytest.raises(ResourceError, match="broke off") as raised:
        fetch_from(files, "mnist")
    assert "continues where it stopped" in raised.value.remedy
    assert names(tmp_path / "mnist") == ["a.gz.partial"]
    held = (tmp_path / "mnist" / "a.gz.partial").stat().st_size
    server.stop_after = None
    fetch_from(files, "mnist")

    assert held > 0
    assert server.ranges == [None, f"bytes={held}-"]
    assert (tmp_path / "mnist" / "a.gz").read_bytes() == DATA


def test_a_server_without_ranges_starts_the_file_again(server, tmp_path):
    files = [offer(server, "a.gz", DATA)]
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "a.gz.partial").write_bytes(b"x" * 1000)
    server.ignores_ranges = True

    fetch_from(files, "mnist")

    assert (tmp_path / "mnist" / "a.gz").read_bytes() == DATA


def test_another_file_than_the_known_one_is_not_kept(server, tmp_path):
    wrong = replace(offer(server, "a.gz", DATA), sha256="0" * 64)
    longer = replace(offer(server, "b.gz", DATA), byte_count=1000)

    with pytest.raises(DataError, match=r"is not a.gz: its SHA-256 is .*it was not kept"):
        fetch_from([wrong], "mnist")
    assert names(tmp_path / "mnist") == []
    with pytest.raises(DataError, match="it has more than 1,000 bytes"):
        fetch_from([longer], "mnist")


def test_a_server_that_is_not_there_or_does_not_have_it_is_named(server, tmp_path):
    with pytest.raises(ResourceError, match="the server answers 404"):
        fetch_from([Download(f"{server.url}/none.gz", 1, "0" * 64)], "mnist")
    with pytest.raises(ResourceError, match="cannot be reached"):
        fetch_from([Download("http://127.0.0.1:9/none.gz", 1, "0" * 64)], "mnist")


def test_of_a_tar_only_the_known_members_are_kept_under_their_own_names(server, tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, data in (("set/batch.bin", b"good"), ("../evil.bin", b"evil"), ("set/readme.html", b"hello")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    packed = offer(server, "set.tar.gz", stream.getvalue())
    kept = replace(packed, members={"batch.bin": hashlib.sha256(b"good").hexdigest()})

    folder = fetch_from([kept], "cifar10")
    again = fetch_from([kept], "cifar10")

    assert names(folder) == names(again) == ["batch.bin"]
    assert len(server.ranges) == 1
    assert names(tmp_path) == ["cifar10"]
    with pytest.raises(DataError, match=r"batch.bin in it is another file"):
        fetch_from([replace(packed, members={"batch.bin": "0" * 64})], "other")


def test_only_known_sets_are_fetched_and_installed_ones_need_none(tmp_path):
    with pytest.raises(UnknownNameError, match="no set is called 'imagenet'") as raised:
        fetch("imagenet")
    assert "mnist, fashion-mnist, cifar10" in raised.value.remedy
    with pytest.raises(UnknownNameError, match="comes inside an installed package"):
        fetch("digits")


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10"])
def test_the_known_checksums_are_those_of_the_real_files(real_data, name):
    folder = real_data / name
    if not folder.is_dir():
        pytest.skip(f"data:{name}")

    for download in DOWNLOADS[name]:
        for member, digest in (download.members or {download.name: download.sha256}).items():
            assert hashlib.sha256((folder / member).read_bytes()).hexdigest() == digest


def test_a_detector_is_downloaded_and_becomes_a_model_file(server, tmp_path):
    files = [offer(server, "nanodet.onnx", made_onnx(strides=(8, 16, 32, 64), bins=8))]

    with mock.patch.dict(DOWNLOADS, {"detector": tuple(files)}):
        done = vidi("fetch", "detector", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    model = read_model(tmp_path / "detector.onnx")
    assert "distances" in model.outputs
    assert model.metadata.provenance.license == "Apache-2.0"
    assert model.metadata.classes[:2] == ("person", "bicycle")


def test_a_detector_that_the_user_has_is_read_from_its_file(tmp_path):
    (tmp_path / "mine.onnx").write_bytes(made_onnx())

    done = vidi("fetch", "detector", "mine.onnx", folder=tmp_path)
    again = vidi("fetch", "detector", "mine.onnx", folder=tmp_path)
    other = vidi("fetch", "mnist", "mine.onnx", folder=tmp_path)

    assert "vidi locate detector.onnx IMAGES" in done.stdout
    assert (again.returncode, other.returncode) == (2, 2)
    assert "detector.onnx exists" in again.stderr
    assert "mine.onnx after mnist means nothing" in other.stderr
