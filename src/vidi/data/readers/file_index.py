"""Finding an image that an annotation names, where its folder is not written out."""

import posixpath
from collections import defaultdict
from collections.abc import Sequence


class FileIndex:
    """The files of a source by their paths and by the ends of their paths."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = frozenset(paths)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            self._by_name[posixpath.basename(path)].append(path)

    def find(self, named: str, *, folders: Sequence[str]) -> str | None:
        """The file of that name in one of the folders, else the only one whose path ends so, else None."""
        named = posixpath.normpath(named.replace("\\", "/"))
        for folder in folders:
            path = posixpath.normpath(posixpath.join(folder, named))
            if path in self._paths:
                return path
        ending = [path for path in self._by_name.get(posixpath.basename(named), []) if f"/{path}".endswith(f"/{named}")]
        return ending[0] if len(ending) == 1 else None
