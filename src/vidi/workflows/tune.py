"""The search for a better recipe: read → split → trials → the best and the default again → result."""

import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import UsageError, VidiError
from vidi.files import FolderLock, escape_path, remove_leftovers
from vidi.groups import number_groups
from vidi.machine import Deadline
from vidi.networks.build import design_network
from vidi.training.recipe import Recipe
from vidi.training.tuning import study as studies
from vidi.training.tuning.importance import importances
from vidi.training.tuning.study import StudySettings, TrialRow
from vidi.training.tuning.trial import run_trial
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.progress import writing_to
from vidi.workflows.interaction.request import split_file_of
from vidi.workflows.interaction.run_folder import discard_folder, open_run_folder
from vidi.workflows.interaction.stopping import stop_on_signal
from vidi.workflows.requests.train import TuneRequest, refuse_for_labels, request_from
from vidi.workflows.run.budget import TABLE, Budget
from vidi.workflows.run.learning.learn import image_weights, keep_preparation
from vidi.workflows.run.plan import choose_recipe
from vidi.workflows.run.prepare import SplitImages, check_images, open_cache, split_images
from vidi.workflows.run.read import Found, find_images
from vidi.workflows.run.session import Session
from vidi.workflows.run.start import Start, read_start
from vidi.workflows.tuning.document import read_tuning
from vidi.workflows.tuning.end import SearchFinding, compare
from vidi.workflows.tuning.files import JOURNAL, TuneFiles
from vidi.workflows.tuning.framed_rows import SearchRows, choose_rows, framed_rows
from vidi.workflows.tuning.plan import Planned, plan_search
from vidi.workflows.tuning.trials import (
    Search,
    TrialCluster,
    TrialImages,
    TryRecipe,
    best_row,
    recipe_of,
    run_trials,
    run_trials_at_once,
)

if TYPE_CHECKING:
    from optuna import Study

WORKSHOP = "trial"  # in the folder of the search, while something is trained


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """Result of a search."""

    folder: Path
    is_finished: bool  # False: the user stopped it; `resume_tuning` goes on
    is_better: bool  # whether the best recipe was shown to be better than the default one
    document: Mapping[str, Any] = field(repr=False)  # tune.json
    refused: int = 0  # images that could not be used


def tune(
    request: TuneRequest,
    *,
    events: Events = SILENCE,
    begun: Deadline | None = None,
    found: Found | None = None,
    try_recipe: TryRecipe = run_trial,
    cluster: TrialCluster | None = None,
) -> Tuned:
    """Search for a better recipe, and report whether one was found.

    Args:
        request: what the user asked for.
        events: receives progress and messages.
        begun: when the user's minutes began to run, where that was before this call.
        found: the requested images, where they were found before this call.
        try_recipe: trains a recipe and judges it.
        cluster: tries several recipes at once, in place of `try_recipe`; the comparison at the end is made here.

    Raises:
        UsageError, DataError, ResourceError, GateError, MissingPackageError: as their names say.
    """
    begun = begun or Deadline.after(0.0)
    studies.require_optuna()  # said before any image is read
    found, recipe = _look(request, found)
    class_count = len(found.dataset.classes)
    design_network(recipe.network, image_size=recipe.image_size, class_count=class_count, options=recipe.options)
    split_file_of(request.training.data)
    if cluster is not None:
        cluster.room()  # a cluster that does not answer is said now, not after all images were checked
    source = Path(request.training.data.source)
    folder = open_run_folder(
        request.training.output,
        name=f"{found.dataset.name}-tune",
        source=source if source.is_dir() else None,
        kind="tuning",
        overwrite=request.training.overwrite,
    )
    with FolderLock(folder):
        files = TuneFiles(folder=folder, document=_begun(request))
        files.write()
        events.say(writing_to(folder))
        session = Session(folder=folder, budget=Budget(begun.later(60 * request.minutes())), events=events)
        job = _SearchPlan(
            request=request,
            found=found,
            recipe=recipe,
            files=files,
            session=session,
            try_recipe=try_recipe,
            cluster=cluster,
        )
        try:
            return _run(job)
        except VidiError:
            if not files.document["trials"]:
                discard_folder(folder)  # a search that was refused leaves nothing
            raise


def _begun(request: TuneRequest) -> dict[str, Any]:
    """What tune.json holds before anything was tried."""
    return {
        "schema": 1,
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
    cluster: TrialCluster | None = None,
) -> Tuned:
    """Continue an interrupted search for the rest of its time.

    Args:
        run: its folder.
        storage: the URL of the shared study again, where it has a password.
        finish: no more trials, only the comparison at the end.
        events: receives progress and messages.
        cluster: as for `tune`.

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
        found, recipe = _look(request)
        if cluster is not None:
            cluster.room()
        job = _SearchPlan(
            request=request,
            found=found,
            recipe=recipe,
            files=files,
            session=Session(folder=folder, budget=Budget(Deadline(began + left, left)), finish=finish, events=events),
            used_before=document["seconds_used"],
            cluster=cluster,
        )
        return _run(job)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SearchPlan:
    request: TuneRequest
    found: Found
    recipe: Recipe  # the default one
    files: TuneFiles
    session: Session
    used_before: float = 0.0  # seconds, by the sessions before this one
    try_recipe: TryRecipe = run_trial
    cluster: TrialCluster | None = None

    def seconds_used(self) -> float:
        until = self.session.budget.deadline
        return self.used_before + (0.0 if until is None else until.seconds - until.seconds_left())


def _look(request: TuneRequest, found: Found | None = None) -> tuple[Found, Recipe]:
    """The images that were found, and the default recipe for them."""
    if request.training.data.multi_label:
        refuse_for_labels(request.training)
    found = found or find_images(request.training.data)
    return found, choose_recipe(request.training, found.traits)


def _run(job: _SearchPlan) -> Tuned:
    """Everything from the first decoded image on: trials, comparison and result; this process holds the folder."""
    split, start = _prepare(job)
    rows = choose_rows(split)
    chosen = np.concatenate([rows.train, rows.validation])
    sizes, workers, cache = job.found.sizes, job.request.training.workers, split.cache
    weights = image_weights(split)
    learnt = framed_rows(split, chosen, sizes=sizes, workers=workers, cache=cache)
    held_out = framed_rows(split, rows.held_out, sizes=sizes, workers=workers, cache=cache)
    images = TrialImages(
        learnt=learnt,
        train_count=len(rows.train),
        classes=split.dataset.classes,
        start=None if start is None else start.weights,
        weights=None if weights is None else weights[chosen],
    )
    with stop_on_signal() as should_stop:
        job = replace(job, session=replace(job.session, should_stop=should_stop))
        search = _begin(job, split, rows, images)
        with studies.storage_errors():
            if job.cluster is None:
                run_trials(search, after_each=lambda rows: _keep(job, rows))
            else:
                run_trials_at_once(search, job.cluster.room, after_each=lambda rows: _keep(job, rows))
            finding = None if should_stop() else compare(search, held_out, _numbered(split, rows.held_out))
    tuned = _conclude(job, search, finding, refused=len(split.check.account.refused))
    if not job.request.training.images:
        cache.remove_used()
        learnt.forget()
        held_out.forget()
    return tuned


def _begin(job: _SearchPlan, split: SplitImages, rows: SearchRows, images: TrialImages) -> Search:
    """Open the study, plan, and write down and say what will be done; no held-out image is in it."""
    study, workshop, session = _open_study(job), job.files.folder / WORKSHOP, job.session
    until = session.budget.deadline
    assert until is not None  # noqa: S101  # a search always has one
    planned = plan_search(
        study,
        images,
        job.recipe,
        job.request,
        until=until,
        workshop=workshop,
        at_once=1 if job.cluster is None else job.cluster.room(),
    )
    job.files.begin(about=_about(job, split, rows, planned), dials=planned.settings.dials)
    for sentence in (*planned.notes, _plan_sentence(planned.settings, rows)):
        session.events.say(sentence)
    return Search(
        study=study,
        settings=planned.settings,
        recipe=job.recipe,
        images=images,
        workshop=workshop,
        worker=job.files.document["worker"],
        until=until.earlier(2 * planned.settings.trial_seconds + TABLE["search page"].seconds),
        most_trials=0 if session.finish else job.request.trials,
        session=session,
        try_recipe=job.cluster or job.try_recipe,
    )


def _prepare(job: _SearchPlan) -> tuple[SplitImages, Start | None]:
    request, recipe = job.request.training, job.recipe
    folder, events = job.session.folder, job.session.events
    checked = check_images(
        job.found,
        image_size=recipe.image_size,
        cache=open_cache(events),
        workers=request.workers,
        events=events,
    )
    split = split_images(checked, folder)
    start = None if request.weights is None else read_start(Path(request.weights))
    keep_preparation(folder, split, recipe, start=start, events=events)
    return split, start


def _open_study(job: _SearchPlan) -> "Study":
    request, worker = job.request, job.files.document["worker"]
    if request.storage is None or request.study is None:
        study = studies.journal_study(job.files.folder / JOURNAL, seed=job.recipe.seed)
        studies.clear_stale(study, worker=None)
        return study
    study = studies.shared_study(request.storage, name=request.study, seed=int(worker, 16) % 2**31)
    studies.clear_stale(study, worker=worker)
    return study


def _numbered(split: SplitImages, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The group of each image as a number."""
    return number_groups([split.split.groups[row] for row in rows.tolist()])


def _about(job: _SearchPlan, split: SplitImages, rows: SearchRows, planned: Planned) -> dict[str, Any]:
    """What tune.json says of the search as a whole."""
    return {
        "data": {"name": split.dataset.name, "classes": len(split.dataset.classes)},
        "images": {
            "train": len(rows.train),
            "validation": len(rows.validation),
            "held_out": len(rows.held_out),
            "held_out_from": rows.held_out_from,
        },
        "network": job.recipe.network,
        "trial_seconds": planned.settings.trial_seconds,
        "notes": list(planned.notes) or job.files.document.get("notes", []),  # going on makes no new plan
        "default": job.recipe.as_dict(),
    }


def _plan_sentence(settings: StudySettings, rows: SearchRows) -> str:
    return search_line([dial.name for dial in settings.dials], settings.trial_seconds, len(rows.held_out))


def _keep(job: _SearchPlan, rows: list[TrialRow]) -> None:
    job.files.after_trial(rows, best=best_row(rows), seconds_used=job.seconds_used())


def _conclude(job: _SearchPlan, search: Search, finding: SearchFinding | None, *, refused: int) -> Tuned:
    rows = studies.trial_rows(search.study)
    best = best_row(rows)
    job.files.after_trial(rows, best=best, seconds_used=job.seconds_used())
    recipe, is_better = search.recipe, finding is not None and finding.is_better
    if best is not None:
        found = recipe_of(
            recipe,
            search.settings.dials,
            best.values,
            source=f"tune: trial {best.number} of {len(rows)} in {job.files.folder.resolve().name}",
        )
        job.files.document["best"] = {"trial": best.number, "values": dict(best.values), "recipe": found.as_dict()}
        recipe = found if is_better else recipe
    job.files.conclude(
        state="interrupted" if finding is None else "finished",
        finding=None if finding is None else finding.as_json(),
        importance=importances(search.study, search.settings.dials, seed=search.recipe.seed),
        recipe=recipe,
    )
    return Tuned(
        folder=job.files.folder,
        is_finished=finding is not None,
        is_better=is_better,
        document=job.files.document,
        refused=refused,
    )


def search_line(names: Sequence[str], seconds: float, held_out: int) -> str:
    """What is searched, how long each training may take, and on how many images the result is tested."""
    return (
        f"searching {', '.join(names)}; at most {seconds:g} s per training; "
        f"{held_out:,} images held out for the final comparison"
    )
