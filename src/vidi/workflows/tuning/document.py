"""The stored document of a search, read without torch."""

from pathlib import Path
from typing import Any

from vidi.errors import UsageError
from vidi.files import escape_path
from vidi.report.pages.tune import write_tune_page
from vidi.workflows.interaction.run_folder import TUNING, read_document

PAGE = "tune.html"


def read_tuning(folder: Path) -> dict[str, Any]:
    """Read the document of a search; raises like `read_document`."""
    return read_document(folder, TUNING, made_by="a search by `vidi tune`")


def rebuild_tune_page(folder: Path) -> Path:
    """Write the page of a search again, and return its path.

    Raises:
        UsageError: the search was cut off before anything could be said of it.
    """
    document = read_tuning(folder)
    if "finding" not in document:
        raise UsageError(
            f"{escape_path(folder)} is an interrupted search",
            f"Continue it: vidi tune --resume {escape_path(folder)}",
        )
    write_tune_page(folder / PAGE, document)
    return folder / PAGE
