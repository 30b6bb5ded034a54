"""A search from its first decoded image on: split → trials → the best and the default again → result."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidi.groups import number_groups
from vidi.training.recipe import Recipe
from vidi.training.tuning import study as studies
from vidi.training.tuning.study import StudySettings, TrialRow
from vidi.workflows.interaction.stopping import stop_on_signal
from vidi.workflows.requests.train import TuneRequest, refuse_for_labels
from vidi.workflows.run.budget import TABLE, Session
from vidi.workflows.run.learning.learn import image_weights, keep_preparation
from vidi.workflows.run.prepare import SplitImages, split_images
from vidi.workflows.run.read import FoundData, find_images
from vidi.workflows.run.recipes import choose_recipe
from vidi.workflows.run.start import Start, read_start
from vidi.workflows.tuning.end import SearchFinding, compare
from vidi.workflows.tuning.files import JOURNAL, TuneFiles
from vidi.workflows.tuning.framed_rows import SearchRows, choose_rows, framed_rows
from vidi.workflows.tuning.plan import plan_search
from vidi.workflows.tuning.trials import (
    Search,
    TrialImages,
    best_row,
    recipe_of,
    run_trials,
)

if TYPE_CHECKING:
    from optuna import Study

WORKSHOP = "trial"  # in the folder of the search, while something is trained


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneResult:
    """Result of a search."""

    folder: Path
    is_finished: bool  # False: the user stopped it; `resume_tuning` goes on
    is_better: bool  # whether the best recipe was shown to be better than the default one
    document: Mapping[str, Any] = field(repr=False)  # tune.json
    refused: int = 0  # images that could not be used


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """What will be searched, and how."""

    request: TuneRequest
    found: FoundData
    recipe: Recipe  # the default one
    files: TuneFiles
    session: Session
    used_before: float = 0.0  # seconds, by the sessions before this one

    def seconds_used(self) -> float:
        until = self.session.budget.deadline
        return self.used_before + (0.0 if until is None else until.seconds - until.seconds_left())


def look_at(request: TuneRequest, found: FoundData | None = None) -> tuple[FoundData, Recipe]:
    """The images that were found, and the default recipe for them."""
    if request.training.data.multi_label:
        refuse_for_labels(request.training)
    found = found or find_images(request.training.data)
    return found, choose_recipe(request.training, found.traits)


def run_search(job: SearchPlan) -> TuneResult:
    """Everything from the first decoded image on: trials, comparison and result; this process holds the folder."""
    split, start = _prepare(job)
    rows = choose_rows(split)
    chosen = np.concatenate([rows.train, rows.validation])
    sizes, workers, cache = job.found.sizes, job.request.training.workers, split.cache
    weights = image_weights(split)
    learned = framed_rows(split, chosen, sizes=sizes, workers=workers, cache=cache)
    held_out = framed_rows(split, rows.held_out, sizes=sizes, workers=workers, cache=cache)
    images = TrialImages(
        learned=learned,
        train_count=len(rows.train),
        classes=split.dataset.classes,
        start=None if start is None else start.weights,
        weights=None if weights is None else weights[chosen],
    )
    with stop_on_signal() as should_stop:
        job = replace(job, session=replace(job.session, should_stop=should_stop))
        search = _begin(job, split, rows, images)
        with studies.storage_errors():
            run_trials(search, after_each=lambda rows: _keep(job, rows))
            finding = None if should_stop() else compare(search, held_out, _numbered(split, rows.held_out))
    tuned = _conclude(job, search, finding, refused=len(split.check.account.refused))
    if not job.request.training.images:
        cache.remove_used()
        learned.forget()
        held_out.forget()
    return tuned


def _begin(job: SearchPlan, split: SplitImages, rows: SearchRows, images: TrialImages) -> Search:
    """Open the study, plan, and write down and say what will be done; no held-out image is in it."""
    study, workshop, session = _open_study(job), job.files.folder / WORKSHOP, job.session
    until = session.budget.deadline
    assert until is not None  # noqa: S101  # a search always has one
    settings, notes = plan_search(
        study,
        images,
        job.recipe,
        job.request,
        until=until,
        workshop=workshop,
    )
    job.files.begin(about=_about(job, split, rows, settings, notes), hyperparameters=settings.hyperparameters)
    for sentence in (*notes, _plan_sentence(settings, rows)):
        session.events.say(sentence)
    return Search(
        study=study,
        settings=settings,
        recipe=job.recipe,
        images=images,
        workshop=workshop,
        worker=job.files.document["worker"],
        until=until.earlier(2 * settings.trial_seconds + TABLE["search page"].seconds),
        most_trials=0 if session.finish else job.request.trials,
        session=session,
    )


def _prepare(job: SearchPlan) -> tuple[SplitImages, Start | None]:
    request, recipe = job.request.training, job.recipe
    folder, events = job.session.folder, job.session.events
    split = split_images(job.found, folder, image_size=recipe.image_size, workers=request.workers, events=events)
    start = None if request.weights is None else read_start(Path(request.weights))
    keep_preparation(folder, split, recipe, start=start, events=events)
    return split, start


def _open_study(job: SearchPlan) -> "Study":
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


def _about(
    job: SearchPlan, split: SplitImages, rows: SearchRows, settings: StudySettings, notes: list[str]
) -> dict[str, Any]:
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
        "trial_seconds": settings.trial_seconds,
        "notes": notes or job.files.document.get("notes", []),  # going on makes no new plan
        "default": job.recipe.as_dict(),
    }


def _plan_sentence(settings: StudySettings, rows: SearchRows) -> str:
    names = ", ".join(hyperparameter.name for hyperparameter in settings.hyperparameters)
    return (
        f"searching {names}; at most {settings.trial_seconds:g} s per training; "
        f"{len(rows.held_out):,} images held out for the final comparison"
    )


def _keep(job: SearchPlan, rows: list[TrialRow]) -> None:
    job.files.after_trial(rows, best=best_row(rows), seconds_used=job.seconds_used())


def _conclude(job: SearchPlan, search: Search, finding: SearchFinding | None, *, refused: int) -> TuneResult:
    rows = studies.trial_rows(search.study)
    best = best_row(rows)
    job.files.after_trial(rows, best=best, seconds_used=job.seconds_used())
    recipe, is_better = search.recipe, finding is not None and finding.is_better
    if best is not None:
        found = recipe_of(
            recipe,
            search.settings.hyperparameters,
            best.values,
            source=f"tune: trial {best.number} of {len(rows)} in {job.files.folder.resolve().name}",
        )
        job.files.document["best"] = {"trial": best.number, "values": dict(best.values), "recipe": found.as_dict()}
        recipe = found if is_better else recipe
    job.files.conclude(
        state="interrupted" if finding is None else "finished",
        finding=None if finding is None else asdict(finding),
        recipe=recipe,
    )
    if finding is not None:
        job.session.events.finished(job.files.folder)
    return TuneResult(
        folder=job.files.folder,
        is_finished=finding is not None,
        is_better=is_better,
        document=job.files.document,
        refused=refused,
    )
