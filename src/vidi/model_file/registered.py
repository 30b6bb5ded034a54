"""Registered names: which model file a name such as `faces` stands for, by `models/faces/current`."""

import os
import re
from pathlib import Path

from vidi.errors import ModelError
from vidi.files import escape_path
from vidi.model_file.values import Json, parse_json

CURRENT = "current"  # in the folder of a name: the decision by which its version is in use
MODELS, MODELS_VARIABLE = Path("models"), "VIDI_MODELS"
REGISTERED_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,64}")
VERSION = re.compile(r"[1-9][0-9]{0,8}")  # a whole number, as other servers of model folders want it


def models_folder() -> Path:
    """The registry's folder: `models` in the working folder, or what VIDI_MODELS names."""
    return Path(os.environ.get(MODELS_VARIABLE) or MODELS)


def find_registered(path: Path) -> Path | None:
    """The folder of the version that a registered name stands for; None if it is no such name.

    Args:
        path: as a user names a model. An existing path is never a name, unless it is the folder of one.

    Raises:
        ModelError: `current` of that name is damaged.
    """
    if path.is_dir():
        folder = path
    elif not path.exists() and REGISTERED_NAME.fullmatch(str(path)):
        folder = models_folder() / path
    else:
        return None
    decision = read_current(folder)
    return None if decision is None else folder / str(decision["version"])


def is_hidden(path: Path) -> bool:
    """Whether an existing path hides the registered name that is spelled like it."""
    is_name = REGISTERED_NAME.fullmatch(str(path)) is not None
    return is_name and path.exists() and (models_folder() / path / CURRENT).is_file()


def follows_name(path: Path) -> bool:
    """Whether a user's word for a model is a registered name, whose version in use may change."""
    return (path / CURRENT).is_file() or (not path.exists() and find_registered(path) is not None)


def read_current(folder: Path) -> dict[str, Json] | None:
    """What stands in `current` of a name's folder; None where there is none.

    Raises:
        ModelError: it is damaged.
    """
    path = folder / CURRENT
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path) from error
    try:
        decision = parse_json(text)
    except ModelError as error:
        raise _damaged(path) from error
    if not isinstance(decision, dict) or not VERSION.fullmatch(str(decision.get("version"))):
        raise _damaged(path)
    return decision


def _damaged(path: Path) -> ModelError:
    return ModelError(
        f"{escape_path(path)} cannot be read",
        f"Promote a model again: vidi promote MODEL --name {escape_path(path.parent.name)}",
    )
