"""From what the user named to a source: a folder or one file in it, scanned and ready to be read."""

import os
from collections.abc import Iterable
from pathlib import Path

from vidi.data.archives.judge import is_archive_name
from vidi.data.archives.open import open_archive
from vidi.data.readers.source import Source
from vidi.errors import DataError, ImageError, UsageError
from vidi.files import escape_path
from vidi.images.account import Entry
from vidi.images.limits import IGNORED
from vidi.images.scan import FolderStore, FoundFile, Scan, is_litter, is_other_file, scan_folder

# Only these files say something about images elsewhere; any other single file is no data set.
_ENTRY_SUFFIXES = (
    ".csv",
    ".tsv",
    ".jsonl",
    ".ndjson",
    ".parquet",
    ".json",
    ".yaml",
    ".yml",
    ".bin",
    "ubyte",
    "ubyte.gz",
)
# Tables name their images themselves, so that the folder around them need not be walked.
_TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def open_source(path: Path, *, allow_outside: bool = False) -> Source:
    """Scan a folder, or the folder of one table or annotation file; nothing is decoded.

    Raises:
        DataError: the file is of no kind that names images and classes.
    """
    if is_archive_name(path.name) and path.is_file():
        return _archive_source(path)
    if path.is_dir():
        return _folder_source(path, None, allow_outside=allow_outside)
    if not path.is_file() or not path.name.casefold().endswith(_ENTRY_SUFFIXES):
        raise DataError(
            f"{escape_path(path)} is not a folder, and not a file that names images and their classes",
            "Name a folder of class folders, an archive, a table (.csv, .tsv, .jsonl, .parquet), a COCO file (.json) "
            "or a YOLO file (.yaml).",
        )
    return _folder_source(path.parent, path.name, allow_outside=allow_outside)


def _folder_source(folder: Path, entry: str | None, *, allow_outside: bool) -> Source:
    scanned = entry is None or not entry.casefold().endswith(_TABLE_SUFFIXES)
    given = folder if entry is None else folder / entry
    try:
        scan = scan_folder(folder, allow_outside=allow_outside) if scanned else Scan()
    except ImageError as error:
        raise DataError(f"{escape_path(folder)}: {error.cause}", error.remedy) from error
    return Source(
        given=escape_path(given),
        scan=scan,
        store=FolderStore(folder, allow_outside),
        folder=folder,
        entry=entry,
        allow_outside=allow_outside,
    )


def _archive_source(path: Path) -> Source:
    """An archive as if it were a folder; litter and companions are left out by the same names as there."""
    store = open_archive(path)
    scan = Scan()
    for name, member in sorted(store.members.items(), key=lambda item: item[0].split("/")):  # as a folder is walked
        if any(is_litter(part) for part in name.split("/")):
            scan.ignored.append(Entry(name, "hidden", IGNORED["hidden"]))
        elif is_other_file(name):
            scan.ignored.append(Entry(name, "other-file", IGNORED["other-file"]))
        else:
            scan.files.append(FoundFile(name, member.size))
    return Source(given=escape_path(path), scan=scan, store=store, folder=None)


def no_such_source(text: str, known: Iterable[str]) -> UsageError:
    """What to say where neither a path nor a known set has this name."""
    import difflib  # only here: every prediction from a cold start would pay for it

    beside = os.listdir(Path(text).parent) if Path(text).parent.is_dir() else []
    near = difflib.get_close_matches(Path(text).name, [*known, *beside], n=1)
    proposal = f" Did you mean {escape_path(near[0])!r}?" if near else ""
    return UsageError(
        f"{escape_path(text)} is neither an existing path nor a known set",
        f"Name a folder, an archive or a table of images, or one of the known sets: {', '.join(known)}.{proposal}",
    )
