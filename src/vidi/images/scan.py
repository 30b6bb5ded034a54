"""What stands in a folder: image files by path, what is refused or ignored with its reason; no pixel is read."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from vidi.errors import ImageError
from vidi.images.account import Entry
from vidi.images.limits import IGNORED
from vidi.images.store import is_within, link_outside, not_a_file, unreadable

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
        raise unreadable(error) from error
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
            self._refuse(path, unreadable(error))

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
        is_inside = is_within(target, self.real_root)
        if not stat.S_ISDIR(status.st_mode):
            if not stat.S_ISREG(status.st_mode) or is_inside or self.allow_outside:
                self._file(status, path)
            else:
                self._refuse(path, link_outside())
        elif is_inside or target in self.linked or any(is_within(folder, target) for folder in above):
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
