"""What a search has written down of itself, read again; no torch."""

import json
from pathlib import Path
from typing import Any

from vidi.errors import UsageError
from vidi.files import escape_path
from vidi.report.tune_page import write_tune_page
from vidi.workflows.run_folder import TUNING

PAGE = "tune.html"


def read_tuning(folder: Path) -> dict[str, Any]:
    """The document of a search.

    Raises:
        UsageError: the folder holds none, or one that cannot be read.
    """
    try:
        document = json.loads((folder / TUNING).read_text("utf-8"))
        if document["schema"] != 1:
            raise UsageError(f"{escape_path(folder)} was written by a newer vidi", "Install that version to go on.")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{escape_path(folder)} holds no readable {TUNING}", "Name the folder of a search by `vidi tune`."
        ) from error
    return dict(document)


def rebuild_tune_page(folder: Path) -> Path:
    """Write the page of a search anew, and return its path.

    Raises:
        UsageError: the search was cut off before anything could be said of it.
    """
    document = read_tuning(folder)
    if "finding" not in document:
        raise UsageError(
            f"{escape_path(folder)} is a search that was cut off",
            f"Go on with it: vidi tune --resume {escape_path(folder)}",
        )
    write_tune_page(folder / PAGE, document)
    return folder / PAGE
