"""What stands in a folder: image files by path, what is refused or ignored with its reason; no pixel is read."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vidi.errors import ImageError
from vidi.images.account import Entry
from vidi.images.limits import IGNORED, Limits
from vidi.images.store import stamp_of_file

_LITTER_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "picasa.ini"}
_LITTER_FOLDERS = {"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"}
# Names that say what they are; everything else, also without an extension, is judged by its content.
_OTHER_FILES = """
.txt .md .rst .csv .tsv .json .jsonl .ndjson .xml .yaml .yml .toml .ini .cfg .conf .log .html .htm .css .js
.doc .docx .xls .xlsx .odt .ods .tex .bib .license .parquet .arrow .feather .db .sqlite .names .lst
.py .ipynb .sh .bat .ps1 .c .h .cpp .java .m .r .zip .tar .tgz .gz .bz2 .xz .7z .rar .whl
.npy .npz .mat .h5 .hdf5 .pkl .pickle .pt .pth .onnx .safetensors .bin .idx .data .mp3 .wav
"""
_OTHER_EXTENSIONS = frozenset(_OTHER_FILES.split())


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file that may be an image."""

    path: str  # relative to the root, as the system names it (bytes that are not UTF-8 as surrogates)
    byte_count: int


@dataclass(slots=True)
class Scan:
    """What a folder holds, every entry once, in the order of the names."""

    files: list[FoundFile] = field(default_factory=list)
    refused: list[Entry] = field(default_factory=list)
    ignored: list[Entry] = field(default_factory=list)
    empty_folders: list[str] = field(default_factory=list)  # neither files nor folders within, but perhaps litter


def scan_folder(root: Path, *, allow_outside: bool = False) -> Scan:
    """Walk a folder without opening a file; pipes, sockets and devices are known by their type.

    A link within the root is taken as the file it names; one that leads out is refused unless `allow_outside`.
    A link to a folder is passed over where that folder is walked anyway or holds the link itself. Memory is a
    few hundred bytes a file, time a few microseconds.

    Raises:
        ImageError: the root itself cannot be listed (`unreadable`).
    """
    found = Scan()
    walk = _Walk(os.fspath(root), found, allow_outside=allow_outside)
    try:
        walk.folder("", (os.path.realpath(root),))
    except OSError as error:
        raise _unreadable(error) from error
    return found


class _Walk:
    """One walk over one root."""

    def __init__(self, root: str, found: Scan, *, allow_outside: bool) -> None:
        self.root, self.found, self.allow_outside = root, found, allow_outside
        self.real_root = os.path.realpath(root)
        self.linked: set[str] = set()

    def folder(self, path: str, above: tuple[str, ...]) -> None:
        """List one folder and go into those within; `above` are the real paths that lead here."""
        with os.scandir(os.path.join(self.root, path) if path else self.root) as listing:
            entries = sorted(listing, key=lambda entry: entry.name, reverse=True)
        if not entries and path:
            self.found.empty_folders.append(path)
        while entries:  # each is let go when it is done: it keeps all that the system said of its file
            entry = entries.pop()
            self._entry(entry, f"{path}/{entry.name}" if path else entry.name, above)

    def _entry(self, entry: os.DirEntry[str], path: str, above: tuple[str, ...]) -> None:
        try:
            if is_litter(entry.name):
                self._ignore(path, "hidden")
            elif entry.is_symlink():
                self._link(entry, path, above)
            elif entry.is_dir(follow_symlinks=False):
                self.folder(path, (*above, os.path.join(above[-1], entry.name)))
            else:
                self._file(entry.stat(follow_symlinks=False), path)
        except OSError as error:
            self._refuse(path, _unreadable(error))

    def _file(self, status: os.stat_result, path: str) -> None:
        if not stat.S_ISREG(status.st_mode):
            self._refuse(path, not_a_file(status.st_mode))
        elif is_other_file(path):
            self._ignore(path, "other-file")
        else:
            self.found.files.append(FoundFile(path, status.st_size))

    def _link(self, entry: os.DirEntry[str], path: str, above: tuple[str, ...]) -> None:
        status = entry.stat()
        target = os.path.realpath(os.path.join(self.root, path))
        is_inside = _is_within(target, self.real_root)
        if not stat.S_ISDIR(status.st_mode):
            if not stat.S_ISREG(status.st_mode) or is_inside or self.allow_outside:
                self._file(status, path)
            else:
                self._refuse(path, link_outside())
        elif is_inside or target in self.linked or any(_is_within(folder, target) for folder in above):
            self._ignore(path, "folder-link")
        elif self.allow_outside:
            self.linked.add(target)
            self.folder(path, (*above, target))
        else:
            self._refuse(path, link_outside())

    def _refuse(self, path: str, error: ImageError) -> None:
        self.found.refused.append(Entry(path, error.code, error.cause))

    def _ignore(self, path: str, code: str) -> None:
        self.found.ignored.append(Entry(path, code, IGNORED[code]))


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name was left by a system or a program, not by the user.

    >>> [is_litter(name) for name in (".DS_Store", "Thumbs.db", "~$lock.png", "cat.png")]
    [True, True, True, False]
    """
    lower = name.lower()
    is_hidden = name.startswith(".") and not name.startswith("..")  # two dots are odd, but nobody hides that way
    return is_hidden or name.startswith("~$") or lower in _LITTER_FILES or lower in _LITTER_FOLDERS


def is_other_file(path: str) -> bool:
    """Whether a file's extension says that it is no image; names without extension may be one.

    >>> is_other_file("labels.csv"), is_other_file("cat.jpg"), is_other_file("scan0001")
    (True, False, False)
    """
    return os.path.splitext(path)[1].lower() in _OTHER_EXTENSIONS


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def not_a_file(mode: int) -> ImageError:
    """The refusal of what is not a regular file, naming what it is."""
    names: Iterator[str] = (
        name
        for test, name in (
            (stat.S_ISDIR, "a folder"),
            (stat.S_ISFIFO, "a named pipe"),
            (stat.S_ISSOCK, "a socket"),
            (stat.S_ISCHR, "a device"),
            (stat.S_ISBLK, "a device"),
        )
        if test(mode)
    )
    return ImageError("not-a-file", f"It is {next(names, 'no regular file')}.", "Name a regular file.")


def link_outside() -> ImageError:
    """The refusal of a path that leads out of the data folder."""
    return ImageError(
        "link-outside",
        "It leads out of the data folder.",
        "Copy the file in; `vidi predict` and the verbs that read a data set follow it with `--allow-outside`.",
    )


def _unreadable(error: OSError) -> ImageError:
    return ImageError(
        "unreadable",
        "It does not exist."
        if isinstance(error, FileNotFoundError)
        else f"The system does not let it be read: {error.strerror or error}.",
        "Check the path; where it is a link, repair it."
        if isinstance(error, FileNotFoundError)
        else "Change its permissions, or leave it out.",
    )


@dataclass(frozen=True, slots=True)
class FolderStore:
    """The image files of one folder, read by relative path; a path that leads out is refused before it is opened."""

    root: Path
    allow_outside: bool = False  # links that lead out, and `..` and absolute paths, as a table may name them
    file_bytes: int = Limits().file_bytes
    real_root: str = field(init=False, repr=False)  # asked once: it costs as much as reading a small file

    def __post_init__(self) -> None:
        object.__setattr__(self, "real_root", os.path.realpath(self.root))

    def read(self, path: str) -> bytes:
        """The bytes of one file.

        Raises:
            ImageError: `not-a-file`, `link-outside`, `unreadable`, or `too-much-memory` for an oversize file.
        """
        full = os.path.join(self.root, path)
        if not self.allow_outside and (os.path.isabs(path) or ".." in path.replace("\\", "/").split("/")):
            raise link_outside()
        try:
            status = os.stat(full)
            if not stat.S_ISREG(status.st_mode):  # known before opening, which could wait for ever
                raise not_a_file(status.st_mode)
            if not (self.allow_outside or self._is_inside(full)):
                raise link_outside()
            return self._read_regular(full)
        except OSError as error:
            raise _unreadable(error) from error
        except ValueError as error:  # a zero byte in the path
            raise _unreadable(OSError(errno.EINVAL, "the name is not one that the system allows")) from error

    def stamp(self, path: str) -> str:
        """The size and time of one file."""
        return stamp_of_file(os.path.join(self.root, path))

    def _is_inside(self, full: str) -> bool:
        return _is_within(os.path.realpath(full), self.real_root)

    def _read_regular(self, full: str) -> bytes:
        with open(full, "rb", buffering=0) as stream:
            status = os.fstat(stream.fileno())
            if status.st_size > self.file_bytes:
                raise ImageError(
                    "too-much-memory",
                    f"The file has {status.st_size:,} bytes; {self.file_bytes:,} are the most.",
                    "Save it smaller, or raise `Limits.file_bytes`.",
                )
            return stream.read()
