"""What is registered: the names of a registry's folder, each with its versions and its history."""

import json
from dataclasses import dataclass
from pathlib import Path

from vidi.errors import ModelError, UsageError
from vidi.files import escape_path
from vidi.model_file.read import MODEL_NAME
from vidi.model_file.registered import REGISTERED_NAME, VERSION, read_current
from vidi.registry.decision import RegistryDecision, standing_versions

HISTORY = "history.jsonl"


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
