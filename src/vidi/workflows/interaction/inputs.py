"""The inputs of a command: whether there is an image, and how the command ends."""

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from vidi.data.inputs import FoundInputs
from vidi.errors import ALL_BAD, DONE, SOME_BAD, DataError, ImageError, UsageError
from vidi.files import escape_path
from vidi.images.account import Account, Entry
from vidi.model_file.read import holds_model
from vidi.model_file.registered import find_registered
from vidi.workflows.interaction.stopping import NOT_REACHED

LONGEST_PATH = 4096  # bytes; systems allow no more, so a longer line is of another kind of file


def interruption(account: Account) -> str:
    """Return the message after Ctrl-C; empty without one."""
    count = sum((entry.code, entry.sentence) == NOT_REACHED for entry in account.set_aside)
    return f"interrupted: {count:,} images were not reached; the results so far are written" if count else ""


def exit_code(account: Account) -> int:
    """Return the exit code: 0 if all inputs were used, 6 if some were bad, 3 if all were."""
    if not account.refused:
        return DONE
    return SOME_BAD if account.used else ALL_BAD


def named_first(model: Path, others: Sequence[str], *, verb: str) -> Path:
    """The model; images that are named before it are refused.

    Raises:
        UsageError: one of the others is a model, and the first is none.
    """
    is_none = model.exists() and not holds_model(model) and find_registered(model) is None
    for other in others:
        if is_none and holds_model(Path(other)):
            words = shlex.join(["vidi", verb, other, str(model)])
            raise UsageError(
                f"{escape_path(model)} is not a model, but {escape_path(other)} is: they are swapped",
                f"Name the model first: {escape_path(words)}",
            )
    return model


def read_list(path: str, *, stdin: BinaryIO | None = None) -> list[str]:
    """Read a list of paths, one per line or separated by NUL characters as from `find -print0`.

    Args:
        path: of the list; `-` is standard input.
        stdin: what `-` reads from; this process's own standard input by default.

    Raises:
        UsageError: it cannot be read, or is no list of paths.
    """
    remedy = "Name a file with one path per line, or - for standard input."
    try:
        data = (sys.stdin.buffer if stdin is None else stdin).read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"--files-from {escape_path(path)}: {error.strerror}", remedy) from error
    lines = data.split(b"\0") if b"\0" in data else data.splitlines()
    if (longest := max(map(len, lines), default=0)) > LONGEST_PATH:
        raise UsageError(f"--files-from {escape_path(path)} is no list of paths: a line has {longest:,} bytes", remedy)
    return [os.fsdecode(line) for line in lines if line]


def each_group(found: Sequence[FoundInputs], account: Account) -> Iterator[FoundInputs]:
    """The groups of the inputs in turn; files that are ignored or refused go into the account as their group comes.

    Raises:
        DataError: the inputs hold no image and nothing that was meant as one.
    """
    if not any(group.paths or group.account.refused for group in found):
        raise no_images(found)
    for group in found:
        account.ignored.extend(group.account.ignored)
        account.refused.extend(group.account.refused)
        yield group


def refusal(entry: Entry) -> ImageError:
    """The error about a path that was refused before any decoding."""
    return ImageError(entry.code, entry.sentence, "Leave it out, or repair it and try again.")


def no_images(found: Sequence[FoundInputs]) -> DataError:
    """Return the error for inputs without an image."""
    ignored = sum(len(group.account.ignored) for group in found)
    return DataError(
        f"no image was found; {ignored:,} other files were ignored" if ignored else "no image was found",
        "Name image files, folders, archives, a pattern such as 'photos/*.jpg', or - for standard input.",
    )
