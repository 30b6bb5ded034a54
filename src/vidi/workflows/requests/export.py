"""The options of `vidi export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from vidi.options import Argument, Option
from vidi.workflows.requests.shared import Overwrite

Form = Literal["web", "folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """Which model to export, in which form, and where to write it."""

    model: Annotated[Path, Argument("MODEL", "Path to a model file or run folder, or a registered name.")]
    to: Annotated[
        Form, Option("Form to write: web is a page for any static host, folder is for a model hub.", metavar="FORM")
    ]
    output: Annotated[Path, Option("Path to the new folder.", flags=("--output", "-o"), metavar="DIR")]
    name: Annotated[str | None, Option("Name of the model for readers (default: the run's).", metavar="NAME")] = None
    overwrite: Overwrite = False
