"""Downloading a known set, only when the user says so: checked, resumed where it broke off, whole or not there."""

import contextlib
import hashlib
import http.client
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from vidi.data.known_sets.downloads import DOWNLOADS, Download
from vidi.data.known_sets.named import NAMED_SETS, data_folder
from vidi.errors import DataError, ResourceError, UnknownNameError
from vidi.files import FolderLock, digest_of_file, escape_path, remove_leftovers, writing_error, written_whole

_PIECE = 1 << 18  # bytes
_PATIENCE_SECONDS = 30.0  # without a byte from the server
_PARTIAL = ".partial"  # the ending of a download that is not yet whole and will be continued

OnProgress = Callable[[str, int, int], None]  # file name, bytes so far, bytes in all


def fetch(
    name: str,
    *,
    downloads: Sequence[Download] | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Download a known set into the folder of its name, where `read_dataset(name)` finds it.

    What is already there and right is kept; what broke off is continued. A file takes its name only when its
    checksum is right.

    Args:
        name: one of `vidi.data.known_sets.downloads.DOWNLOADS`.
        downloads: other files than the known ones, say from a mirror.
        on_progress: called with each file's name, the bytes so far and in all.

    Returns:
        The folder of the set.

    Raises:
        UnknownNameError: the set is not known.
        ResourceError: the server cannot be reached or breaks off (the next call continues), or the disk is full.
        DataError: what the server sent is not the known file.
    """
    files = DOWNLOADS.get(name, ()) if downloads is None else downloads
    if not files:
        raise _not_to_fetch(name)
    folder = data_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_error(error, folder / files[0].name) from error
    with FolderLock(folder):
        remove_leftovers(folder)
        for file in files:
            if not _is_complete(file, folder):
                _fetch_file(file, folder, on_progress or _say_nothing)
    return folder


def _say_nothing(name: str, done: int, total: int) -> None:
    """Progress that nobody asked for."""


def _not_to_fetch(name: str) -> UnknownNameError:
    if name in NAMED_SETS:
        return UnknownNameError(
            f"the set {name!r} comes inside an installed package; there is nothing to download",
            f"Use it by its name: `vidi train {name}`.",
        )
    return UnknownNameError(f"no set is called {name!r}", f"Fetch one of: {', '.join(DOWNLOADS)}.")


def _is_complete(file: Download, folder: Path) -> bool:
    """Whether the file, or all that is kept of it, is there and right."""
    kept = file.members or {file.name: file.sha256}
    paths = [(folder / member, sha256) for member, sha256 in kept.items()]
    return all(path.is_file() and digest_of_file(path) == sha256 for path, sha256 in paths)


def _fetch_file(file: Download, folder: Path, on_progress: OnProgress) -> None:
    partial = folder / f"{file.name}{_PARTIAL}"
    try:
        _download(file, partial, on_progress)
        _check(file, partial)
        if file.members:
            _unpack(file, partial, folder)
            partial.unlink()
        else:
            partial.replace(folder / file.name)
    except OSError as error:
        raise writing_error(error, partial) from error


def _download(file: Download, partial: Path, on_progress: OnProgress) -> None:
    """Add to the partial file what it still misses."""
    done = partial.stat().st_size if partial.exists() else 0
    if done > file.byte_count:  # of another file
        partial.unlink()
        done = 0
    if done == file.byte_count:
        return
    with _opened(file.url, done) as response, partial.open("ab") as stream:
        if done and response.status != http.client.PARTIAL_CONTENT:  # the server starts again from the beginning
            stream.truncate(0)
            done = 0
        for piece in _pieces(file, response):
            done += len(piece)
            if done > file.byte_count:
                stream.truncate(0)
                raise _not_the_file(file, f"it has more than {file.byte_count:,} bytes")
            stream.write(piece)
            on_progress(file.name, done, file.byte_count)
    if done < file.byte_count:
        raise _broke_off(file, f"after {done:,} of {file.byte_count:,} bytes")


@contextlib.contextmanager
def _opened(url: str, start: int) -> Iterator[http.client.HTTPResponse]:
    """The server's answer, asked for the bytes from `start` on."""
    request = urllib.request.Request(url, headers={"User-Agent": "vidi"})  # noqa: S310  the URLs are our own list's
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        with error:
            raise _unreachable(url, f"the server answers {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise _unreachable(url, str(reason)) from error
    with response:
        yield response


def _pieces(file: Download, response: BinaryIO | http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            piece = response.read(_PIECE)
        except (http.client.HTTPException, OSError) as error:
            raise _broke_off(file, f"({error})") from error
        if not piece:
            return
        yield piece


def _check(file: Download, partial: Path) -> None:
    with partial.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != file.sha256:
        partial.unlink()  # continuing it would never make it right
        raise _not_the_file(file, f"its SHA-256 is {found}, not {file.sha256}")


def _unpack(file: Download, packed: Path, folder: Path) -> None:
    """Write the known members of a tar, each under its own name and checked; nothing else of it."""
    wanted = dict(file.members)
    try:
        with tarfile.open(packed) as archive:
            for info in archive:
                name = info.name.rpartition("/")[2]
                if not info.isreg() or name not in wanted:
                    continue
                stream = archive.extractfile(info)
                data = b"" if stream is None else stream.read()
                if hashlib.sha256(data).hexdigest() != wanted.pop(name):
                    raise _not_the_file(file, f"{name} in it is another file")
                with written_whole(folder / name) as temporary:
                    temporary.write_bytes(data)
    except (tarfile.TarError, EOFError) as error:
        raise _not_the_file(file, f"it cannot be unpacked ({error})") from error
    if wanted:
        raise _not_the_file(file, f"{', '.join(wanted)} is not in it")


def _unreachable(url: str, reason: str) -> ResourceError:
    return ResourceError(
        f"{url} cannot be reached: {reason}",
        "Try again later, or download the file with a browser into the set's folder.",
    )


def _broke_off(file: Download, where: str) -> ResourceError:
    return ResourceError(
        f"the download of {file.name} broke off {where}", "Give the same command again: it continues where it stopped."
    )


def _not_the_file(file: Download, reason: str) -> DataError:
    return DataError(
        f"what {file.url} sent is not {escape_path(file.name)}: {reason}; it was not kept",
        "Try again later; if it stays so, the file has changed at its source.",
    )
