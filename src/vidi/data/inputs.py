"""What `predict` is given (files, folders, patterns, archives, standard input), found and accounted for."""

import glob
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vidi.data.archives.members import is_archive_name
from vidi.files import escape_path, refuse_url
from vidi.images.account import Account, Entry
from vidi.images.limits import Limits
from vidi.images.store import BytesStore, GivenFilesStore, ImageStore, PrefixedStore

STANDARD_INPUT = "-"


class FoundInputs(NamedTuple):
    """The images of one or more inputs: `store.read` takes each of `paths`, which begin as the user wrote them."""

    store: ImageStore
    paths: list[str]
    account: Account  # of what was refused and ignored here; the caller counts `used`


def find_paths(inputs: Sequence[str], allow_outside: bool = False) -> list[FoundInputs]:
    """Find every image that the inputs mean, each once, in the order of the inputs.

    Args:
        inputs: files, folders, archives, patterns such as `photos/*.jpg`, or `-` for one image on standard input.
        allow_outside: also read files outside a folder that links in it lead to.

    Returns:
        One group for each folder or archive and for each run of single files.

    Raises:
        UsageError: an input is a URL.
        DataError: an archive is damaged or unsafe.
    """
    found: list[FoundInputs] = []
    seen: set[str] = set()
    for text in inputs:
        refuse_url(text)
        for path in _matches(text):
            group = _find_one(path, allow_outside)
            new = [shown for shown in group.paths if shown not in seen]
            seen.update(new)
            _add(found, group._replace(paths=new))
    return found


def _matches(text: str) -> list[str]:
    """The paths that a pattern means; a path that exists is never a pattern."""
    if text == STANDARD_INPUT or os.path.lexists(text) or not glob.has_magic(text):
        return [text]
    return sorted(glob.glob(text, recursive=True)) or [text]


def _find_one(path: str, allow_outside: bool) -> FoundInputs:
    if path == STANDARD_INPUT:
        # One byte over the limit is enough for the decoder to refuse the image for its size.
        return FoundInputs(BytesStore({path: sys.stdin.buffer.read(Limits().file_bytes + 1)}), [path], Account())
    if not os.path.lexists(path):
        missing = Entry(path, "unreadable", f"There is no file or folder {escape_path(path)}.")
        return FoundInputs(GivenFilesStore(), [], Account(refused=[missing]))
    if Path(path).is_dir() or is_archive_name(path):
        return _inside(path, allow_outside)
    return FoundInputs(GivenFilesStore(), [path], Account())


def _inside(path: str, allow_outside: bool) -> FoundInputs:
    """Every image in one folder or archive."""
    from vidi.data.readers.source import open_source  # files named one by one need no readers: a faster start

    source = open_source(Path(path), allow_outside=allow_outside)
    prefix = path if path.endswith(("/", os.sep)) else f"{path}/"
    account = Account(
        refused=[_prefixed(prefix, entry) for entry in source.scan.refused],
        ignored=[_prefixed(prefix, entry) for entry in source.scan.ignored],
    )
    return FoundInputs(PrefixedStore(prefix, source.store), [prefix + file.path for file in source.scan.files], account)


def _prefixed(prefix: str, entry: Entry) -> Entry:
    return Entry(prefix + entry.path, entry.code, entry.sentence)


def _add(found: list[FoundInputs], group: FoundInputs) -> None:
    """Append a group; single files one after another become one group."""
    if found and isinstance(found[-1].store, GivenFilesStore) and isinstance(group.store, GivenFilesStore):
        found[-1].paths.extend(group.paths)
        found[-1].account.refused.extend(group.account.refused)
    elif group.paths or group.account.found:
        found.append(group)
