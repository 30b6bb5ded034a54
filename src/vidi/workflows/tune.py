"""The search for a better recipe: read → split → trials → the best and the default again → result."""

import secrets
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidi.errors import UsageError, VidiError
from vidi.files import FolderLock, escape_path, remove_leftovers
from vidi.machine import Deadline
from vidi.networks.build import design_network
from vidi.training.tuning import study as studies
from vidi.workflows.interaction.event_file import recorded
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import split_file_of
from vidi.workflows.interaction.run_folder import RUN_SCHEMA, discard_folder, open_run_folder, read_tuning
from vidi.workflows.requests.train import TuneRequest, request_from
from vidi.workflows.run.budget import Budget, Session
from vidi.workflows.run.read import FoundData
from vidi.workflows.tuning.files import TuneFiles
from vidi.workflows.tuning.search import WORKSHOP, SearchPlan, TuneResult, look_at, run_search


def tune(
    request: TuneRequest,
    *,
    events: Events = SILENCE,
    begun: Deadline | None = None,
    found: FoundData | None = None,
) -> TuneResult:
    """Search for a better recipe, and report whether one was found.

    Raises:
        UsageError, DataError, ResourceError, GateError, MissingPackageError: as their names say.
    """
    begun = begun or Deadline.after(0.0)
    studies.require_optuna()  # said before any image is read
    found, recipe = look_at(request, found)
    request = replace(request, training=replace(request.training, data=found.request))
    class_count = len(found.dataset.classes)
    design_network(recipe.network, image_size=recipe.image_size, class_count=class_count, options=recipe.options)
    split_file_of(request.training.data)
    folder = open_run_folder(
        request.training.output,
        name=f"{found.dataset.name}-tune",
        source=Path(request.training.data.source),
        kind="tuning",
        overwrite=request.training.overwrite,
    )
    with FolderLock(folder):
        files = TuneFiles(folder=folder, document=_begun(request))
        files.write()
        events.say(f"writing to {escape_path(folder)}")
        job = SearchPlan(
            request=request,
            found=found,
            recipe=recipe,
            files=files,
            session=Session(folder=folder, budget=Budget(begun.later(60 * request.minutes())), events=events),
        )
        try:
            return _search(job)
        except VidiError:
            if not files.document["trials"]:
                discard_folder(folder)  # a search that was refused leaves nothing
            raise


def _begun(request: TuneRequest) -> dict[str, Any]:
    """What tune.json holds before anything was tried."""
    return {
        "schema": RUN_SCHEMA,
        "state": "running",
        "request": request.as_dict(),
        "worker": secrets.token_hex(8),
        "seconds_used": 0.0,
        "trials": [],
    }


def resume_tuning(
    run: Path,
    *,
    storage: str | None = None,
    finish: bool = False,
    events: Events = SILENCE,
) -> TuneResult:
    """Continue an interrupted search for the rest of its time.

    Args:
        storage: the URL of the shared study again, where it has a password.
        finish: no more trials, only the comparison at the end.

    Raises:
        UsageError: not a search, or one that is finished.
    """
    began = time.monotonic()
    folder = run.parent if run.is_file() else run
    document = read_tuning(folder)
    with FolderLock(folder):
        remove_leftovers(folder)
        shutil.rmtree(folder / WORKSHOP, ignore_errors=True)  # of a trial that was killed
        if document["state"] == "finished":
            raise UsageError(
                f"{escape_path(folder)} is finished",
                f"Start a new search, or train: vidi train DATA --recipe {escape_path(folder)}/recipe.toml",
            )
        request = request_from(document["request"], storage)
        files = TuneFiles(folder=folder, document=document)
        left = max(0.0, 60 * request.minutes() - document["seconds_used"])
        found, recipe = look_at(request)
        job = SearchPlan(
            request=request,
            found=found,
            recipe=recipe,
            files=files,
            session=Session(folder=folder, budget=Budget(Deadline(began + left, left)), finish=finish, events=events),
            used_before=document["seconds_used"],
        )
        return _search(job)


def _search(job: SearchPlan) -> TuneResult:
    """The search, its events also in its folder."""
    folder, session = job.files.folder, job.session
    with recorded(folder, session.events, resume=f"vidi tune --resume {escape_path(folder)}") as events:
        return run_search(replace(job, session=replace(session, events=events)))
