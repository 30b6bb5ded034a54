"""Downloading a known set, only when the user says so: checked, resumed where it broke off, whole or not there."""

import contextlib
import hashlib
import http.client
import os
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from vidi.data.known_sets.named import NAMED_SETS, data_folder
from vidi.errors import DataError, ResourceError, UnknownNameError
from vidi.files import FolderLock, digest_of_file, escape_path, remove_leftovers, writing_error, written_atomically

# A mirror that PyTorch keeps of yann.lecun.com/exdb/mnist, which asks not to be used by programs.
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
_TRAIN_IMAGES, _TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
_TEST_IMAGES, _TEST_LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
_HUB = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
_PIECE = 1 << 18  # bytes
_PATIENCE_SECONDS = 30.0  # without a byte from the server
_PARTIAL = ".partial"  # the ending of a download that is not yet whole and will be continued
OnProgress = Callable[[str, int, int], None]  # file name, bytes so far, bytes in all


@dataclass(frozen=True, slots=True)
class Download:
    """One file of a set."""

    url: str
    byte_count: int
    sha256: str
    members: Mapping[str, str] = field(default_factory=dict)  # of a tar: what is kept of it, with its SHA-256

    @property
    def name(self) -> str:
        """What the file is called on disk."""
        return self.url.rpartition("/")[2]


DOWNLOADS: Mapping[str, tuple[Download, ...]] = {
    "mnist": (
        Download(_MNIST + _TRAIN_IMAGES, 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        Download(_MNIST + _TRAIN_LABELS, 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        Download(_MNIST + _TEST_IMAGES, 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        Download(_MNIST + _TEST_LABELS, 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    "fashion-mnist": (
        Download(
            _FASHION + _TRAIN_IMAGES, 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        Download(_FASHION + _TRAIN_LABELS, 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        Download(
            _FASHION + _TEST_IMAGES, 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        Download(_FASHION + _TEST_LABELS, 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
    "cifar10": (
        Download(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            members={
                "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
                "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
                "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
                "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
                "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
                "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
            },
        ),
    ),
    "detector": (  # no set, but had in the same way: NanoDet-Plus, Apache-2.0
        Download(
            f"{_HUB}/opencv/object_detection_nanodet/resolve/main/object_detection_nanodet_2022nov.onnx",
            3_800_954,
            "4b82da9944b88577175ee23a459dce2e26e6e4be573def65b1055dc2d9720186",
        ),
    ),
}


def fetch(name: str, on_progress: OnProgress = lambda _name, _done, _total: None) -> Path:
    """Download a known set into the folder of its name, where `read_dataset(name)` finds it.

    What is already there and right is kept; what broke off is continued. A file takes its name only when its
    checksum is right.

    Returns:
        The folder of the set.

    Raises:
        UnknownNameError: the set is not known.
        ResourceError: the server cannot be reached or breaks off (the next call continues), or the disk is full.
        DataError: what the server sent is not the known file.
    """
    if name in NAMED_SETS and name not in DOWNLOADS:
        raise UnknownNameError(
            f"the set {name!r} comes inside an installed package; there is nothing to download",
            f"Use it by its name: `vidi train {name}`.",
        )
    if name not in DOWNLOADS:
        raise UnknownNameError(f"no set is called {name!r}", f"Fetch one of: {', '.join(DOWNLOADS)}.")
    files = DOWNLOADS[name]
    folder = data_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_error(error, folder / files[0].name) from error
    with FolderLock(folder):
        remove_leftovers(folder)
        for file in files:
            if not _is_complete(file, folder):
                _fetch_file(file, folder, on_progress)
    return folder


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
                with written_atomically(folder / name) as temporary:
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
