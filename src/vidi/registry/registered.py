"""What is registered: a registry's names, each with its versions, its history and the reasons for each step."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal, Self

from vidi.errors import ModelError, UsageError
from vidi.files import escape_path
from vidi.model_file.read import MODEL_NAME
from vidi.model_file.registered import REGISTERED_NAME, VERSION, read_current
from vidi.model_file.values import Json

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
