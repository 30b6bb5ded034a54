"""The files that a table names: where they are, and whether they may be read."""

import os
import posixpath
import re
import stat

from vidi.data.readers.source import Source
from vidi.images.account import Entry

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|data:")
_DRIVE = re.compile(r"[A-Za-z]:")


class NamedFiles:
    """Looks up the files that a table names, one by one; folders already judged are remembered."""

    def __init__(self, source: Source, base: str) -> None:
        self.source = source
        self.base = base  # the table's folder in the source, from which its paths count
        self._root = None if source.folder is None else os.path.realpath(source.folder)
        self._inside: dict[str, bool] = {}  # by folder: whether it truly lies in the root

    def find(self, named: str) -> str | Entry:
        """The path in the source's store of a file that a table names, or why it is not used."""
        if "\0" in named:
            return Entry(named, "unreadable", "No file can have this name.")
        if _URL.match(named):
            return Entry(named, "link-outside", "It is a URL; a table names files by their paths.")
        found = self._find_exactly(named)
        if isinstance(found, str) or found.code != "unreadable":
            return found
        if _DRIVE.match(named):
            return Entry(named, "link-outside", "It begins with a drive letter and lies outside the data folder.")
        if "\\" in named:  # written on Windows
            return self._find_exactly(named.replace("\\", "/"))
        return found

    def _find_exactly(self, named: str) -> str | Entry:
        path = posixpath.normpath(posixpath.join(self.base, named))
        if path.startswith("/"):
            path = self._from_root(path)
        if path.startswith(("/", "../")) or path == "..":
            return self._find_outside(named, path)
        if self._root is None:
            return path if path in self.source.path_set else _missing(named)
        return self._find_inside(named, path)

    def _from_root(self, path: str) -> str:
        """An absolute path counted from the root, if it lies below it."""
        for root in (self._root, os.path.abspath(self.source.folder) if self.source.folder else None):
            if root is not None and path.startswith(f"{root}/"):
                return path[len(root) + 1 :]
        return path

    def _find_inside(self, named: str, path: str) -> str | Entry:
        full = f"{self._root}/{path}"
        try:
            kind = os.lstat(full).st_mode
        except OSError as error:
            return _missing(named, error.strerror)
        folder = posixpath.dirname(full)
        if folder not in self._inside:
            self._inside[folder] = self._is_inside(os.path.realpath(folder))
        inside = self._inside[folder]
        if stat.S_ISLNK(kind):
            target = os.path.realpath(full)
            inside = inside and self._is_inside(target)
            try:
                kind = os.stat(target).st_mode
            except OSError as error:
                return _missing(named, error.strerror)
        if not (inside or self.source.allow_outside):
            return Entry(named, "link-outside", "A link on its way leads out of the data folder.")
        return path if stat.S_ISREG(kind) else _not_a_file(named)

    def _is_inside(self, path: str) -> bool:
        return f"{path}/".startswith(f"{self._root}/")

    def _find_outside(self, named: str, path: str) -> str | Entry:
        if self._root is None or not self.source.allow_outside:
            return Entry(named, "link-outside", "It lies outside the data folder; `--allow-outside` reads it.")
        full = posixpath.normpath(posixpath.join(self._root, path))
        try:
            return full if stat.S_ISREG(os.stat(full).st_mode) else _not_a_file(named)
        except OSError as error:
            return _missing(named, error.strerror)


def _missing(named: str, reason: str | None = None) -> Entry:
    hint = " `~` is not expanded in tables." if named.startswith("~") else ""
    return Entry(named, "unreadable", f"{reason or 'There is no such file in the archive'}.{hint}")


def _not_a_file(named: str) -> Entry:
    return Entry(named, "not-a-file", "It is a folder, pipe, socket or device.")
