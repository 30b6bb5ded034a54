"""What the functions have in common: the data as a request, and what to say where training is not installed."""

import os
from typing import TYPE_CHECKING

from vidi.errors import MissingPackageError
from vidi.workflows.requests.data import DataRequest

if TYPE_CHECKING:
    Data = str | os.PathLike[str] | DataRequest


def data_of(data: "Data") -> DataRequest:
    """The request that a name or a path of data is."""
    return data if isinstance(data, DataRequest) else DataRequest(source=os.fspath(data))


def missing_for_training(error: ModuleNotFoundError) -> MissingPackageError:
    """What to say where torch or another package for training is not installed."""
    return MissingPackageError(
        f"training needs {error.name}, which is not installed", 'Install it: pip install "vidi[train]"'
    )
