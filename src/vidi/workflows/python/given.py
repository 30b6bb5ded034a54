"""What the functions share: the data as a request, and the error if training is not installed."""

import os
from typing import TYPE_CHECKING

from vidi.errors import MissingPackageError
from vidi.workflows.requests.data import DataRequest

if TYPE_CHECKING:
    Data = str | os.PathLike[str] | DataRequest


def data_of(data: "Data") -> DataRequest:
    """Return the request for a name or a path of data."""
    return data if isinstance(data, DataRequest) else DataRequest(source=os.fspath(data))


def missing_for_training(error: ModuleNotFoundError) -> MissingPackageError:
    """Return the error for a missing training package, such as torch."""
    return MissingPackageError(
        f"training needs {error.name}, which is not installed", 'Install it: pip install "vidi[train]"'
    )
