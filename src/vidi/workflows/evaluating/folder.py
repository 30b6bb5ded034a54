"""The folder and the request of an evaluation."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidi.data.dataset import Dataset
from vidi.files import escape_path
from vidi.workflows.interaction.run_folder import (
    open_run_folder,
    safe_name,
)
from vidi.workflows.requests.evaluate import EvaluateRequest

if TYPE_CHECKING:
    pass


def open_folder(request: EvaluateRequest, dataset: Dataset) -> Path:
    """The folder asked for, or the next free `evaluations/NAME`."""
    name, source = safe_name(dataset.name), Path(request.data.source)
    inside = source if source.is_dir() else None
    return open_run_folder(request.output, name=name, source=inside, kind="evaluation", overwrite=request.overwrite)


def as_plain(request: EvaluateRequest) -> dict[str, Any]:
    """Return an evaluation's request as plain values, for a new report."""
    return {
        "schema": 1,
        "model": escape_path(request.model),
        "data": asdict(request.data),
        "engine": request.engine,
        "images": request.images,
    }
