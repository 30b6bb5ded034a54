"""Output folders: apart from the input, with distinct names, replacing only vidi's own files."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vidi.errors import UsageError
from vidi.files import escape_path

BESIDE = {"--sort-into": "sorted", "--output": "boxes"}  # what a folder beside the images may be called


def check_folder_apart(folder: Path, inputs: Sequence[str], *, flag: str) -> None:
    """Refuse to write images into the input folder, where the next run would read them.

    Args:
        folder: where images will be written.
        inputs: what the user named to be read.
        flag: the option that named the folder.

    Raises:
        UsageError: the folder lies in an input folder, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{escape_path(folder)} is a file", f"Name a folder for `{flag}`.")
    for text in inputs:
        given = Path(text)
        if given.is_dir() and folder.resolve().is_relative_to(given.resolve()):
            raise UsageError(
                f"{escape_path(folder)} is inside the input folder {escape_path(given)}",
                f"Name a folder beside it, such as {escape_path(given.resolve().parent / BESIDE[flag])}.",
            )


MARK = b'<meta name="generator" content="vidi'  # of every page that vidi writes
HEAD_BYTES = 4_096  # in which the mark stands


def require_own(page: Path, *, mark: bytes = MARK) -> None:
    """Refuse to replace files that vidi did not write.

    Args:
        page: what is to be written.
        mark: stands at the head of every file of its kind that vidi writes.

    Raises:
        UsageError: the path is taken by something else.
    """
    try:
        with page.open("rb") as stream:
            is_own = mark in stream.read(HEAD_BYTES)
    except FileNotFoundError:
        return
    except OSError:  # a folder, or one that may not be read
        is_own = False
    if not is_own:
        raise UsageError(
            f"{escape_path(page)} already exists, and vidi did not write it",
            "Nothing was replaced. Choose another folder with --output.",
        )


def page_names(paths: Sequence[str], *, suffix: str = ".html") -> list[str]:
    """A name for the page of each path: the file's own, and a number where two are called alike.

    >>> page_names(["a/cat.jpg", "b/cat.jpg", "-"])
    ['cat.html', 'cat-2.html', 'standard-input.html']
    """
    names: list[str] = []
    taken: set[str] = set()
    last: Counter[str] = Counter()
    for path in paths:
        stem = "standard-input" if path == "-" else Path(path).stem
        stem = re.sub(r'[/\\:*?"<>|%]', "_", escape_path(stem)).strip(". ")[:80] or "image"
        name, number = f"{stem}{suffix}", max(last[stem], 1)
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}{suffix}"
        last[stem] = number
        taken.add(name.casefold())
        names.append(name)
    return names
