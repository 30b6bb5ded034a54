"""The trackers by the names that `--track` takes; nothing of them is imported before one is used."""

from collections.abc import Mapping
from importlib.util import find_spec

from vidi.errors import MissingPackageError, UnknownNameError
from vidi.workflows.tracking import to_mlflow, to_tensorboard
from vidi.workflows.tracking.tracker import TrackerKind

TRACKERS: Mapping[str, TrackerKind] = {
    "mlflow": TrackerKind(
        title="MLflow",
        extra="mlflow",
        packages=("mlflow", "sqlalchemy", "alembic", "pandas"),
        check=to_mlflow.check_address,
        open=to_mlflow.open_run,
    ),
    "tensorboard": TrackerKind(
        title="TensorBoard",
        extra="tensorboard",
        packages=("tensorboardX",),
        check=to_tensorboard.check_nothing,
        open=to_tensorboard.open_run,
    ),
}


def find_tracker(name: str | None, trackers: Mapping[str, TrackerKind] = TRACKERS) -> TrackerKind | None:
    """The tracker that the user named, found fit for use; None where none was named.

    Raises:
        UnknownNameError: there is no such tracker.
        MissingPackageError: its packages are not installed.
        ResourceError: it cannot be reached.
    """
    if name is None:
        return None
    if name not in trackers:
        raise UnknownNameError(f"no tracker is called {name!r}", f"Use one of: {', '.join(trackers)}.")
    kind = trackers[name]
    missing = [package for package in kind.packages if find_spec(package) is None]
    if missing:
        raise MissingPackageError(
            f"--track {name} needs {', '.join(missing)}, which is not installed",
            f'Install it: pip install "vidi[{kind.extra}]"',
        )
    kind.check()
    return kind
