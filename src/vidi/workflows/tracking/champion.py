"""MLflow's registry follows vidi's: the version in use under a name has the alias `champion` there."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.files import digest_of_file
from vidi.report.words.progress.tracking import champion_not_set, champion_set
from vidi.workflows.tracking.noted import read_noted
from vidi.workflows.tracking.to_mlflow import (
    ADDRESS,
    DIGEST,
    MODEL,
    RUN_DIGEST,
    log_model,
    quiet_client,
    require_answer,
    without_password,
)

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

CHAMPION = "champion"


def crown(name: str, model: Path) -> str:
    """Register a model that is in use, and give it the alias `champion`; a decision that stands is never undone here.

    Args:
        name: under which it is in use.
        model: the file of the version in use, with its run's tracked.json beside it.

    Returns:
        What was done, or why not; nothing where the run was not tracked by MLflow.
    """
    noted = read_noted(model.parent, "mlflow")
    if not noted:
        return ""
    if find_spec("mlflow") is None:
        return champion_not_set('mlflow is not installed; install it: pip install "vidi[mlflow]"')
    given = os.environ.get(ADDRESS, "")
    address = given if without_password(given) == noted["address"] else noted["address"]
    try:
        require_answer(address)
        client = quiet_client(address)
        version = _version(client, name, model, run_id=noted["run"])
        client.set_registered_model_alias(name, CHAMPION, version)
    except Exception as error:  # a database, a server and MLflow itself may fail in any way
        return champion_not_set(without_password(str(error).strip().splitlines()[0])[:300])
    return champion_set(name, version)


def _version(client: "MlflowClient", name: str, model: Path, *, run_id: str) -> str:
    """The version of MLflow's registry that holds this very file; made where there is none."""
    digest = digest_of_file(model)
    if not client.search_registered_models(filter_string=f"name = '{name}'"):
        client.create_registered_model(name)
    for one in client.search_model_versions(f"name = '{name}'"):
        if one.tags.get(DIGEST) == digest:
            return str(one.version)
    run = client.get_run(run_id)
    artifact = MODEL
    if run.data.tags.get(RUN_DIGEST) != digest:  # calibrated again since, or the run's training had no end
        artifact = f"{MODEL}-{digest[:12]}"
        log_model(client, run_id, model, artifact=artifact)
    source = f"{run.info.artifact_uri}/{artifact}"
    return str(client.create_model_version(name, source, run_id, tags={DIGEST: digest}).version)
