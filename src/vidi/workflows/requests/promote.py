"""The options of `vidi promote` and `vidi rollback`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.options import Argument, Option

Why = Annotated[str, Option("Reason, for the history.", metavar="TEXT")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteRequest:
    """Which model is put in use, and under which name."""

    model: Annotated[Path, Argument("MODEL", "Path to a run folder or a model file, or a registered name.")]
    name: Annotated[str, Option("Name under which the model is in use.", metavar="NAME")]
    why: Why = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRequest:
    """Which name goes back to an earlier version."""

    name: Annotated[str, Argument("NAME", "Registered name; `vidi runs` lists them.")]
    to: Annotated[str | None, Option("Number of the version (default: the one before).", metavar="VERSION")] = None
    why: Why = ""
