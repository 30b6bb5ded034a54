"""Models in use under a name: every version kept, one of them current, and who decided so, when and why."""

import json
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from vidi.errors import ModelError, ResourceError, UsageError
from vidi.files import (
    TEMPORARY_PREFIX,
    digest_of_file,
    escape_path,
    give_name,
    try_lock,
    write_atomic,
    writing_error,
)
from vidi.model_file.read import MODEL_NAME
from vidi.model_file.registered import CURRENT, REGISTERED_NAME, VERSION, read_current
from vidi.model_file.values import Json

if TYPE_CHECKING:
    from filelock import BaseFileLock

Action = Literal["promote", "rollback", "keep"]
ACTIONS: tuple[Action, ...] = ("promote", "rollback", "keep")
HISTORY = "history.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryDecision:
    """One line of history.jsonl: what was decided about a name, by whom, when and why."""

    number: int  # 1, 2, 3 … for each name
    action: Action  # `keep`: a candidate was refused, and the version in use stays
    version: str  # in use from then on
    replaced: str | None  # in use until then
    model: str  # id of the model that the decision is about; with `keep`, of the refused one
    sha256: str  # of the bytes of that model's file
    who: str
    at: str  # ISO 8601, UTC
    why: str
    origin: str = ""  # the run folder or file that the model came from, escaped
    figures: Mapping[str, Json] = field(default_factory=dict)  # of the model's own test
    gate: Mapping[str, Json] | None = None  # how it was compared with the model in use, where that was done

    def as_line(self) -> str:
        """The decision as one line of JSON."""
        return json.dumps(asdict(self), allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Restore what `as_line` wrote.

        Raises:
            ModelError: it is no such decision.
        """
        if not isinstance(value, dict) or value.get("action") not in ACTIONS:
            raise ModelError("an entry of the history is no decision", "Restore history.jsonl from a copy.")
        known = {one.name for one in fields(cls)}
        try:
            return cls(**{name: entry for name, entry in value.items() if name in known})
        except TypeError as error:
            raise ModelError(
                f"an entry of the history is incomplete ({error})", "Restore history.jsonl from a copy."
            ) from error


def standing_versions(decisions: Iterable[RegistryDecision]) -> tuple[str, ...]:
    """The versions to go back to, the one in use last: promoting puts one on top, rolling back takes it away.

    >>> promoted = [RegistryDecision(number=n, action="promote", version=str(n), replaced=None, model="", sha256="",
    ...     who="", at="", why="") for n in (1, 2, 3)]
    >>> standing_versions(promoted)
    ('1', '2', '3')
    """
    standing: list[str] = []
    for decision in decisions:
        if decision.action == "rollback" and decision.version in standing:
            while standing[-1] != decision.version:
                standing.pop()
        elif decision.action != "keep" and standing[-1:] != [decision.version]:
            standing.append(decision.version)
    return tuple(standing)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """One registered name, with every decision about it."""

    name: str
    folder: Path
    decisions: tuple[RegistryDecision, ...]  # the oldest first

    @property
    def current(self) -> RegistryDecision:
        """The decision by which the version in use is in use."""
        return next(one for one in reversed(self.decisions) if one.action != "keep")

    @property
    def model(self) -> Path:
        """The model file in use."""
        return self.folder / self.current.version / MODEL_NAME

    @property
    def standing(self) -> tuple[str, ...]:
        """The versions to go back to, the one in use last."""
        return standing_versions(self.decisions)


def require_name(name: str) -> str:
    """Refuse what cannot be a registered name.

    Raises:
        UsageError: it holds other signs, is too long, or begins with a dot.
    """
    if not REGISTERED_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a model's name",
            "Use letters, digits, `.`, `_`, `-`, at most 64, not beginning with a dot.",
        )
    return name


def find_name(root: Path, name: str) -> RegisteredModel:
    """A registered name.

    Raises:
        UsageError: nothing is registered under it.
        ModelError: its history is damaged.
    """
    folder = root / require_name(name)
    decisions = read_history(folder)
    if not any(one.action == "promote" for one in decisions):
        raise UsageError(
            f"no model is registered as {name} in {escape_path(root)}",
            f"Promote one: vidi promote RUN --name {name}",
        )
    return RegisteredModel(name=name, folder=folder, decisions=decisions)


def list_registered(root: Path) -> list[RegisteredModel]:
    """All registered names of a folder, in order.

    Raises:
        ModelError: the history of one is damaged.
    """
    if not root.is_dir():
        return []
    folders = sorted(folder for folder in root.iterdir() if read_current(folder) is not None)
    return [RegisteredModel(name=one.name, folder=one, decisions=read_history(one)) for one in folders]


def read_history(folder: Path) -> tuple[RegistryDecision, ...]:
    """All decisions about the name of a folder, the oldest first.

    `current` holds the decision that counts. A process that was killed right after it has not entered it in
    history.jsonl; it is read from `current` then.

    Raises:
        ModelError: a file is damaged.
    """
    path = folder / HISTORY
    try:
        lines = path.read_text("utf-8").splitlines()
        decisions = [RegistryDecision.from_json(json.loads(line)) for line in lines if line.strip()]
    except (FileNotFoundError, NotADirectoryError):
        decisions = []
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{escape_path(path)} cannot be read: {error}", "Restore it from a copy.") from error
    current = read_current(folder)
    if current is not None:
        decision = RegistryDecision.from_json(current)
        if decision.number > len(decisions):
            decisions.append(decision)
    return tuple(decisions)


def last_version(folder: Path) -> int:
    """The highest number among the versions in a folder; 0 without any."""
    names = [entry.name for entry in folder.iterdir()]
    return max((int(name) for name in names if VERSION.fullmatch(name)), default=0)


LOCK = ".lock"
PATIENCE = 60.0  # seconds for another process, which copies a model and a report


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """Who decides, when and why, and on what figures."""

    who: str
    at: str  # ISO 8601, UTC
    why: str
    model: str = ""  # id of the model
    sha256: str = ""  # of its file's bytes
    origin: str = ""
    figures: Mapping[str, Json] = field(default_factory=dict)
    gate: Mapping[str, Json] | None = None


class LockedName:
    """A name of the registry that this process alone may change; others wait.

    A version is a folder that appears whole. `current` is one small file that is replaced at once: from then on the
    version counts, and it holds the whole decision. history.jsonl is written last, and completed where a process died
    before that.
    """

    def __init__(self, folder: Path, *, patience: float = PATIENCE) -> None:
        """
        Args:
            folder: of the name, in the registry; made where it is missing.
            patience: how long to wait for another process, seconds.
        """
        self.folder, self.patience = folder, patience
        self.decisions: tuple[RegistryDecision, ...] = ()
        self._lock: BaseFileLock | None = None

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise writing_error(error, self.folder) from error
        self._lock = try_lock(self.folder / LOCK, seconds=self.patience)
        if self._lock is None:
            raise ResourceError(
                f"{escape_path(self.folder)} is being changed by another process", "Try again when it has ended."
            )
        try:
            self._tidy()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def stage(self) -> Path:
        """An empty folder for a new version; what a killed process leaves there is deleted by the next."""
        staged = self.folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        try:
            staged.mkdir()
        except OSError as error:
            raise writing_error(error, staged) from error
        return staged

    @property
    def standing(self) -> tuple[str, ...]:
        """The versions to go back to, the one in use last."""
        return standing_versions(self.decisions)

    @property
    def next_version(self) -> str:
        """The name of a version that would be added now."""
        return str(last_version(self.folder) + 1)

    def version_with(self, sha256: str) -> str | None:
        """The version whose model file has this digest; None where there is none."""
        found = [one.version for one in self.decisions if one.action == "promote" and one.sha256 == sha256]
        return next((version for version in found if self._holds(version, sha256)), None)

    def promote(self, staged: Path | None, reasons: Reasons) -> RegistryDecision:
        """Put a version in use.

        Args:
            staged: of `stage`, with model.onnx and what belongs beside it; None where a version holds that model
                already.

        Raises:
            ResourceError: it cannot be written; the version in use stays.
        """
        if staged is None:
            version = self.version_with(reasons.sha256)
            if version is None:
                raise ModelError(f"{escape_path(self.folder)} has no version of this model", "Promote its run instead.")
        else:
            version = self.next_version
            give_name(staged, self.folder / version)
        return self._decide("promote", version, reasons)

    def roll_back(self, version: str | None, reasons: Reasons) -> RegistryDecision:
        """Put an earlier version in use again, the one before the version in use by default.

        Raises:
            UsageError: there is no earlier version, or not the one that is named.
            ModelError: its model file is gone or was changed; the version in use stays.
        """
        standing = self.standing
        if version is None and len(standing) < 2:
            raise UsageError(
                f"{escape_path(self.folder.name)} has no version before the one in use",
                "Name one with --to, or promote another model.",
            )
        chosen = standing[-2] if version is None else version
        promoted = [one for one in self.decisions if one.action == "promote" and one.version == chosen]
        if not promoted:
            known = ", ".join(dict.fromkeys(one.version for one in self.decisions if one.action == "promote"))
            raise UsageError(f"{escape_path(self.folder.name)} has no version {chosen!r}", f"It has: {known}.")
        brought = promoted[-1]
        if not self._holds(chosen, brought.sha256):
            raise ModelError(
                f"{escape_path(self.folder / chosen / MODEL_NAME)} is gone, or is not the file that was promoted",
                "Name another version with --to, or promote the model again.",
            )
        facts = replace(
            reasons, model=brought.model, sha256=brought.sha256, origin=brought.origin, figures=brought.figures
        )
        return self._decide("rollback", chosen, facts)

    def keep(self, reasons: Reasons) -> RegistryDecision:
        """Enter in the history that a candidate was refused; the version in use stays."""
        decision = self._decision("keep", self.standing[-1], reasons)
        self._enter(decision)
        return decision

    def _decide(self, action: Action, version: str, reasons: Reasons) -> RegistryDecision:
        decision = self._decision(action, version, reasons)
        write_atomic(self.folder / CURRENT, decision.as_line())  # from here on it counts
        self._enter(decision)
        return decision

    def _decision(self, action: Action, version: str, reasons: Reasons) -> RegistryDecision:
        standing = self.standing
        return RegistryDecision(
            number=len(self.decisions) + 1,
            action=action,
            version=version,
            replaced=standing[-1] if standing else None,
            model=reasons.model,
            sha256=reasons.sha256,
            who=reasons.who,
            at=reasons.at,
            why=reasons.why,
            origin=reasons.origin,
            figures=reasons.figures,
            gate=reasons.gate,
        )

    def _enter(self, decision: RegistryDecision) -> None:
        self.decisions = (*self.decisions, decision)
        self._write_history()

    def _write_history(self) -> None:
        write_atomic(self.folder / HISTORY, "".join(one.as_line() for one in self.decisions))

    def _holds(self, version: str, sha256: str) -> bool:
        """Whether a version's file has the bytes that it was promoted with."""
        try:
            return digest_of_file(self.folder / version / MODEL_NAME) == sha256
        except OSError:
            return False

    def _tidy(self) -> None:
        """Remove what a killed process left half written, and complete the history."""
        for path in self.folder.glob(f"{TEMPORARY_PREFIX}*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        self.decisions = read_history(self.folder)
        written = self.folder / HISTORY
        known = len(written.read_text("utf-8").splitlines()) if written.exists() else 0
        if known < len(self.decisions):
            self._write_history()
