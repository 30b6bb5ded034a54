"""Which of a model file's guarantees its own test images refuted."""

from collections.abc import Mapping
from dataclasses import dataclass

from vidi.files import escape_path
from vidi.model_file.values import Json, entry, texts_entry, wrong_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuted:
    """What must not be relied on any more."""

    sure: bool  # that at most so many of the sure answers are wrong
    candidates: bool  # that the truth is among the candidates so often
    classes: tuple[str, ...]  # the decisions for these classes


def refuted_to_json(refuted: Refuted) -> dict[str, Json]:
    """Plain values, for the file."""
    return {"sure": refuted.sure, "candidates": refuted.candidates, "classes": list(refuted.classes)}


def refuted_from_json(document: Mapping[str, Json]) -> Refuted:
    """What `refuted_to_json` wrote, checked.

    Raises:
        ModelError: a value is missing or of the wrong kind.
    """
    return Refuted(
        sure=_flag(document, "sure"),
        candidates=_flag(document, "candidates"),
        classes=texts_entry(document, "classes"),
    )


def describe_refuted(refuted: Refuted) -> str:
    """The guarantees in words.

    >>> describe_refuted(Refuted(sure=True, candidates=False, classes=("cat",)))
    'what “sure” guarantees and what is guaranteed for cat'
    """
    named = [word for word, is_so in (("“sure”", refuted.sure), ("the candidates", refuted.candidates)) if is_so]
    general = [f"what {' and '.join(named)} guarantee{'s' if named == ['“sure”'] else ''}"] if named else []
    classes = ", ".join(map(escape_path, refuted.classes))
    return " and ".join([*general, *([f"what is guaranteed for {classes}"] if classes else [])])


def _flag(document: Mapping[str, Json], name: str) -> bool:
    value = entry(document, name)
    if not isinstance(value, bool):
        raise wrong_value(name, "true or false", value)
    return value
