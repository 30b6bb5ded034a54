"""MLflow: a run on the user's server, or in a database beside the run folder."""

import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vidi.errors import ResourceError
from vidi.files import escape_path
from vidi.workflows.tracking.tracker import Ending, TrackedResult, TrackedRun, describe_failure, without_password

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ADDRESS, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"  # variables that MLflow's users know
USUAL_EXPERIMENT = "vidi"
DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"  # beside the run folder, without an address
SECONDS_TO_REACH = 5.0
STATES: Mapping[Ending, str] = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


def check_address() -> None:
    """Refuse a server that cannot be reached, before MLflow tries it for minutes; any answer will do.

    Raises:
        ResourceError: nobody answers at the address in MLFLOW_TRACKING_URI.
    """
    address = without_password(os.environ.get(ADDRESS, ""))
    if not address.startswith(("http://", "https://")):
        return
    try:
        urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=SECONDS_TO_REACH).close()  # noqa: S310
    except urllib.error.HTTPError:
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ResourceError(
            f"no MLflow server answers at {address}: {reason}",
            f"Start it or correct {ADDRESS}; without that variable the run goes into a database beside its folder.",
        ) from error


def _client(address: str) -> "MlflowClient":
    """MLflow's client for an address; it sends no figures about its use, and its log tells only of trouble."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when MLflow is imported
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=address, registry_uri=address)


def open_run(run: TrackedRun) -> "MlflowRun":
    """Begin a run in MLflow, or go on with that of a run folder.

    Raises:
        ResourceError: the place cannot be opened; the message says why.
    """
    beside = run.folder.absolute().parent
    address = os.environ.get(ADDRESS) or f"sqlite:///{(beside / DATABASE).as_posix()}"
    try:
        client = _client(address)
        if run.noted.get("address") == without_password(address):
            run_id = run.noted["run"]
            client.update_run(run_id, status="RUNNING")
        else:
            home = None if os.environ.get(ADDRESS) else (beside / ARTIFACTS).as_uri()
            made = client.create_run(_experiment(client, home), run_name=run.folder.name, tags=dict(run.facts))
            run_id = made.info.run_id
        logged = dict(client.get_run(run_id).data.params)
    except Exception as error:  # a database, a server and MLflow itself may fail in any way
        remedy = f"Correct {ADDRESS}" if os.environ.get(ADDRESS) else f"Move that file away, set {ADDRESS}"
        raise ResourceError(
            f"MLflow at {without_password(address)} cannot be opened: {describe_failure(error)}",
            f"{remedy}, or leave out --track.",
        ) from error
    return MlflowRun(client, run_id, address=without_password(address), logged=logged)


def _experiment(client: "MlflowClient", home: str | None) -> str:
    name = os.environ.get(EXPERIMENT) or USUAL_EXPERIMENT
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name, artifact_location=home) if found is None else found.experiment_id)


class MlflowRun:
    """One run in MLflow."""

    def __init__(self, client: "MlflowClient", run_id: str, *, address: str, logged: dict[str, str]) -> None:
        self._client, self._run_id, self._address = client, run_id, address
        self._logged = logged  # parameters: MLflow lets none of them change

    @property
    def noted(self) -> Mapping[str, str]:
        """The run's identity and the address of its MLflow, without a password."""
        return {"run": self._run_id, "address": self._address}

    @property
    def place(self) -> str:
        """The run and where it lies."""
        return f"run {self._run_id} in {escape_path(self._address)}"

    def parameters(self, values: Mapping[str, str]) -> None:
        """As parameters; a value that has changed since then stands among the tags, as `now.NAME`."""
        from mlflow.entities import Param, RunTag

        new = [Param(name, value) for name, value in values.items() if name not in self._logged]
        changed = [
            RunTag(f"now.{name}", value) for name, value in values.items() if self._logged.get(name, value) != value
        ]
        self._client.log_batch(self._run_id, params=new, tags=changed)
        self._logged |= {param.key: param.value for param in new}

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        """As metrics of that step, in one call."""
        from mlflow.entities import Metric

        now = round(1000 * time.time())
        metrics = [Metric(name, value, now, number) for name, value in values.items()]
        self._client.log_batch(self._run_id, metrics=metrics)

    def result(self, result: TrackedResult) -> None:
        """Parameters, test figures, the run's files with its report, and the model file."""
        client, run_id = self._client, self._run_id
        self.parameters(result.parameters)
        self.epoch(0, result.figures)
        client.set_tag(run_id, "mlflow.note.content", result.sentence)
        for path in result.files:
            client.log_artifact(run_id, str(path))
        client.log_artifact(run_id, str(result.model))

    def close(self, ending: Ending) -> None:
        """Say how it ended."""
        self._client.set_terminated(self._run_id, STATES[ending])
