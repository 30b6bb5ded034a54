"""What a request asks for in its query: model, number of classes, boxes, evidence."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vidi.serving.problems import Problem

TRUE, FALSE = "true", "false"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The query of a request for predictions."""

    model: str | None = None
    top: int | None = None  # most probable classes to give; None: all, in the model's order
    locate: bool = False  # boxes as well
    by: Literal["windows", "evidence"] | None = None  # how boxes are searched for; None: as the model allows
    least: float = 0.5  # probability of a box
    explain: Literal["evidence"] | None = None


def read_query(pairs: Sequence[tuple[str, str]]) -> Asked:
    """The query of a request; strict, so that a slip of the pen is no silent default.

    Raises:
        Problem: a name is unknown or stands there twice, or a value cannot be used.

    >>> read_query([("top", "3"), ("locate", "true")]).locate
    True
    """
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in _READ:
            raise Problem(
                "invalid-input", f"The query has an unknown name {name[:60]!r}.", f"Known: {', '.join(_READ)}."
            )
        if name in given:
            raise Problem("invalid-input", f"The query names {name!r} twice.", "Name it once.")
        given[name] = value
    return Asked(**{name: _READ[name](name, value) for name, value in given.items()})  # type: ignore[arg-type]


def _text(_: str, value: str) -> str:
    return value


def _count(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit()) or not 1 <= int(value[:10]) <= 100_000:
        raise Problem("invalid-input", f"{name}={value[:60]!r} is not a count.", "Use a whole number from 1 on.")
    return int(value)


def _flag(name: str, value: str) -> bool:
    if value not in (TRUE, FALSE):
        raise Problem("invalid-input", f"{name}={value[:60]!r} is neither.", f"Use {TRUE} or {FALSE}.")
    return value == TRUE


def _share(name: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise Problem("invalid-input", f"{name}={value[:60]!r} is out of range.", "Use a number above 0, at most 1.")
    return share


def _one_of(*choices: str) -> Callable[[str, str], str]:
    def read(name: str, value: str) -> str:
        if value not in choices:
            raise Problem("invalid-input", f"{name}={value[:60]!r} is unknown.", f"Use {' or '.join(choices)}.")
        return value

    return read


_READ: Mapping[str, Callable[[str, str], object]] = {
    "model": _text,
    "top": _count,
    "locate": _flag,
    "by": _one_of("windows", "evidence"),
    "least": _share,
    "explain": _one_of("evidence"),
}
