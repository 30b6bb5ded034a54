"""How often a test set was used: each use makes its figures a little less reliable."""

import json
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from vidi.files import digest_of, writing_error

FILE = "test-uses.jsonl"


def digest_of_images(digests: Iterable[str]) -> str:
    """One digest for a set of images, whatever their order.

    >>> digest_of_images(["b", "a"]) == digest_of_images(["a", "b"])
    True
    """
    return digest_of("\n".join(sorted(digests)).encode("ascii"))


def carry_uses(source: Path, folder: Path, *, images: str) -> int:
    """Copy the uses of a set of test images from one run folder to another that goes on with it.

    Args:
        folder: the other run folder; lines that it has already are not written twice.

    Returns:
        How often these images were used by now, as the second folder knows it.

    Raises:
        ResourceError: the file cannot be written.
    """
    here = _lines(folder)
    _append(folder, [line for line in _lines(source) if f'"images": "{images}"' in line and line not in here])
    return count_uses(folder, images=images)


def record_use(folder: Path, *, images: str, model_id: str, date: datetime) -> int:
    """Note that a model was scored on a set of test images.

    Args:
        folder: the run folder; `test-uses.jsonl` in it gets one more line.
        model_id: the first 12 digits of the model file's digest.

    Returns:
        How often these images were used by now, this time included.

    Raises:
        ResourceError: the file cannot be written.
    """
    _append(folder, [json.dumps({"images": images, "model": model_id, "date": date.isoformat(timespec="seconds")})])
    return count_uses(folder, images=images)


def _append(folder: Path, lines: Sequence[str]) -> None:
    path = folder / FILE
    if not lines:
        return
    try:
        # One write to a file opened for appending: two processes that score at once lose no line.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, "".join(f"{line}\n" for line in lines).encode("ascii"))
        finally:
            os.close(handle)
    except OSError as error:
        raise writing_error(error, path) from error


def count_uses(folder: Path, *, images: str) -> int:
    """Count the uses of a set of test images in this run folder; an incomplete line is skipped."""
    return sum(f'"images": "{images}"' in line for line in _lines(folder))


def _lines(folder: Path) -> list[str]:
    try:
        return (folder / FILE).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
