"""One decision about a registered name, and which versions its decisions leave to go back to."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, Self

from vidi.errors import ModelError
from vidi.model_file.values import Json

Action = Literal["promote", "rollback", "keep"]
ACTIONS: tuple[Action, ...] = ("promote", "rollback", "keep")


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
