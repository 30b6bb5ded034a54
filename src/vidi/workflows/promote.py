"""`vidi promote` and `vidi rollback`: which version of a model is in use under a name."""

import getpass
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vidi.errors import ModelError
from vidi.evaluation.run_files import METRICS
from vidi.files import digest_of, escape_path, write_atomic, written_atomically
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.registered import models_folder
from vidi.model_file.values import Json
from vidi.numbers import percent
from vidi.registry import LockedName, Reasons, RegistryDecision, find_name, require_name
from vidi.workflows.interaction.run_folder import MODEL, MODEL_CARD, NEIGHBOURS, REPORT
from vidi.workflows.requests.in_use import PromoteRequest, RollbackRequest
from vidi.workflows.tracking.tracker import TRACKED

COPIED = (METRICS, REPORT, TRACKED)  # of a run, beside its model
UNTESTED = "not tested"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteResult:
    """Result of a promotion or a rollback."""

    name: str
    folder: Path  # of the name
    decision: RegistryDecision
    before: RegistryDecision | None  # the decision that held until then
    is_change: bool = True  # False: this model was in use already

    @property
    def version_folder(self) -> Path:
        """The folder of the version in use."""
        return self.folder / self.decision.version

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "schema": 1,
            "name": self.name,
            "model": escape_path(self.version_folder / MODEL),
            "changed": self.is_change,
            "version": self.decision.version,
            "replaced": self.decision.replaced,
            "id": self.decision.model,
            "why": self.decision.why,
            "who": self.decision.who,
            "at": self.decision.at,
        }


def promote(
    request: PromoteRequest, *, gate: Mapping[str, Json] | None = None, root: Path | None = None
) -> PromoteResult:
    """Put a model in use under a name; the version before stays.

    Raises:
        UsageError: the name cannot be one.
        ModelError: no model file, or an unfinished one.
        ResourceError: it cannot be written; the version in use stays.
    """
    folder = (root or models_folder()) / require_name(request.name)
    model = read_model(request.model)
    if model.metadata.unfinished:
        raise ModelError(
            f"{escape_path(model.path)} is unfinished: {model.metadata.unfinished}",
            "Finish its training first: `vidi train --resume RUN --finish`.",
        )
    reasons = decided_now(request.why, model, gate=gate)
    with LockedName(folder) as held:
        before = held.decisions
        version = held.version_with(reasons.sha256)
        is_change = version is None or not before or version != held.standing[-1]
        if is_change:
            staged = None if version is not None else _stage(held, model, request.name, reasons)
            decision = held.promote(staged, reasons)
        else:
            decision = next(one for one in reversed(before) if one.action != "keep")
    return PromoteResult(
        name=request.name,
        folder=folder,
        decision=decision,
        before=_in_use(before),
        is_change=is_change,
    )


def roll_back(request: RollbackRequest, *, root: Path | None = None) -> PromoteResult:
    """Put an earlier version in use again, with the bytes that it was promoted with.

    Raises:
        UsageError: no such name or version.
        ModelError: the version's file is gone or was changed; the version in use stays.
    """
    registered = find_name(root or models_folder(), request.name)
    with LockedName(registered.folder) as held:
        before = held.decisions
        decision = held.roll_back(request.to, Reasons(who=user_name(), at=_now(), why=request.why))
    return PromoteResult(name=request.name, folder=registered.folder, decision=decision, before=_in_use(before))


def decided_now(why: str, model: ModelFile, *, gate: Mapping[str, Json] | None = None) -> Reasons:
    """What a decision about a model says beside the version."""
    return Reasons(
        who=user_name(),
        at=_now(),
        why=why,
        model=model.model_id,
        sha256=digest_of(model.data),
        origin=escape_path((model.path.parent if model.path.name == MODEL else model.path).absolute()),
        figures=model.metadata.test or {},
        gate=gate,
    )


def user_name() -> str:
    """The name of the system's user; `unknown` where the system has none."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # no name in the environment, and none of this number
        return "unknown"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _in_use(decisions: tuple[RegistryDecision, ...]) -> RegistryDecision | None:
    return next((one for one in reversed(decisions) if one.action != "keep"), None)


def _stage(held: LockedName, model: ModelFile, name: str, reasons: Reasons) -> Path:
    """A folder with the model's bytes as they were judged, and its run's report, figures and card."""
    staged, run = held.stage(), model.path.parent
    write_atomic(staged / MODEL, model.data)
    if model.path.name != MODEL:  # a file by itself: what lies beside it is about others
        return staged
    for one in COPIED:
        if (run / one).is_file():
            with written_atomically(staged / one) as temporary:
                shutil.copyfile(run / one, temporary)
    if (run / NEIGHBOURS).is_dir():
        shutil.copytree(run / NEIGHBOURS, staged / NEIGHBOURS)
    if (run / MODEL_CARD).is_file():
        card = (run / MODEL_CARD).read_text("utf-8")
        decided = f"version {held.next_version}, on {reasons.at[:10]} by {escape_path(reasons.who)}"
        write_atomic(staged / MODEL_CARD, f"{card}\n## Registered\nRegistered as `{name}`, {decided}.\n")
    return staged


def test_line(figures: Mapping[str, Json]) -> str:
    """The test accuracy that a model file states, with its interval and n.

    >>> test_line({"images": 40, "accuracy": {"value": 0.9, "low": 0.77, "high": 0.96}})
    'accuracy 90.0 % (95 % interval 77.0 % to 96.0 %, 40 images)'
    """
    accuracy, images = figures.get("accuracy"), figures.get("images")
    if not isinstance(accuracy, Mapping) or not isinstance(accuracy.get("value"), int | float):
        return UNTESTED
    value, low, high = (_percent(accuracy.get(name)) for name in ("value", "low", "high"))
    reach = f"95 % interval {low} to {high}, " if low and high else ""
    return f"accuracy {value} ({reach}{images:,} images)" if isinstance(images, int) else f"accuracy {value}"


def _percent(value: Json) -> str:
    return percent(float(value), digits=1) if isinstance(value, int | float) else ""


def promoted_lines(name: str, decision: RegistryDecision, before: RegistryDecision | None) -> list[str]:
    """What is in use now, and what was until then.

    Args:
        before: the decision that held until then; None where there was none.
    """
    lines = [f"{name} is now version {decision.version}: {_about(decision)}"]
    if before is not None:
        lines.append(f"before: version {before.version}, {_about(before)}")
    if before is not None and decision.action == "promote":
        lines.append(f"to go back: vidi rollback {name}")
    return lines


def _about(decision: RegistryDecision) -> str:
    return f"model {decision.model}, {test_line(decision.figures)}"
