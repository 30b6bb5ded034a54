"""The images for which two models predict different classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vidi.evaluation.answers import Answers, join_names
from vidi.evaluation.sections import rounded
from vidi.files import escape_path, write_csv_whole
from vidi.metrics.multi_label import probability_of_all
from vidi.metrics.truth import OneClass

Kind = Literal["only-b-right", "only-a-right", "both-wrong"]
KINDS: tuple[Kind, ...] = ("only-b-right", "only-a-right", "both-wrong")
NONE = "none"  # what is said where an image may show several classes and is called none of them
COLUMNS = ("path", "digest", "label", "right", "a", "a_probability", "b", "b_probability")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One image for which the two models predict different classes."""

    kind: Kind
    path: str  # as the store names it
    digest: str
    label: str  # the true class, as the data names it
    first: str  # what A says, in its own words
    first_probability: float
    second: str
    second_probability: float

    def as_json(self) -> dict[str, object]:
        """Plain values for compare.json."""
        return {
            "kind": self.kind,
            "path": escape_path(self.path),
            "digest": self.digest,
            "label": self.label,
            "a": self.first,
            "a_probability": rounded(self.first_probability),
            "b": self.second,
            "b_probability": rounded(self.second_probability),
        }


def find_disagreements(first: Answers, second: Answers, labels: Sequence[str]) -> list[Disagreement]:
    """Find the images on which the models disagree, most confident errors first.

    Args:
        first: what A said.
        second: what B said of the same images, in the same order.
        labels: the true class of each, as the data names it.
    """
    found = []
    a_is_right, b_is_right = first.is_right, second.is_right
    a_said, b_said = _said(first), _said(second)
    for row, label in enumerate(labels):
        (a, a_probability), (b, b_probability) = a_said[row], b_said[row]
        if a_is_right[row] == b_is_right[row] and (a_is_right[row] or a == b):
            continue
        kind: Kind = "only-b-right" if b_is_right[row] else "only-a-right" if a_is_right[row] else "both-wrong"
        found.append(
            Disagreement(
                kind=kind,
                path=first.paths[row],
                digest=first.digests[row],
                label=label,
                first=a,
                first_probability=a_probability,
                second=b,
                second_probability=b_probability,
            )
        )
    return sorted(found, key=lambda one: (KINDS.index(one.kind), -_loudness(one), one.path))


def _said(answers: Answers) -> list[tuple[str, float]]:
    """What a model says of each image and how likely it is right; several classes joined, or `none`."""
    if isinstance(answers.truth, OneClass):
        top = answers.probabilities.max(axis=1).tolist()
        return [(answers.classes[said], value) for said, value in zip(answers.predicted.tolist(), top, strict=True)]
    likely = probability_of_all(answers.probabilities, answers.called).tolist()
    names = [join_names(answers.classes, called) or NONE for called in answers.called]
    return list(zip(names, likely, strict=True))


def _loudness(one: Disagreement) -> float:
    """How strongly a wrong answer was held."""
    wrong = {"only-b-right": (one.first_probability,), "only-a-right": (one.second_probability,)}
    return max(wrong.get(one.kind, (one.first_probability, one.second_probability)))


def choose_shown(disagreements: Sequence[Disagreement], *, most: int) -> list[Disagreement]:
    """Choose the most confident disagreements of each kind, up to a maximum count."""
    return [one for kind in KINDS for one in [each for each in disagreements if each.kind == kind][:most]]


def write_disagreements(path: Path, disagreements: Sequence[Disagreement]) -> None:
    """Write all of them as CSV; paths and names escaped so that they can be read back exactly."""
    right = {"only-b-right": "b", "only-a-right": "a", "both-wrong": ""}
    rows = (
        [
            escape_path(one.path),
            one.digest,
            escape_path(one.label),
            right[one.kind],
            escape_path(one.first),
            f"{one.first_probability:.6g}",
            escape_path(one.second),
            f"{one.second_probability:.6g}",
        ]
        for one in disagreements
    )
    write_csv_whole(path, [COLUMNS, *rows])
