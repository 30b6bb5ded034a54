"""A cell of the agreement bench's table."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.agreeing.answers import MATTERS, AnswerDifference, Answers, largest


def cell(
    expected: Answers, found: Answers, names: Sequence[str], differing: Sequence[AnswerDifference]
) -> dict[str, Any] | None:
    """The table's cell of one host and one kind of image; None where it answered none of them."""
    answered = [name for name in names if name in found]
    if not answered:
        return None
    own = [one for one in differing if one.name in answered]
    other = {what: sum(one.what == what and not one.is_near for one in own) for what in (*MATTERS, "refusal")}
    return {
        "n": len(answered),
        "largest_difference": largest(expected, found, answered),
        **{f"other_{what}": count for what, count in other.items()},
        "near": sum(one.is_near for one in own),
    }


def per_kind(expected: Answers, found: Answers, kinds: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """The largest difference of a probability for each kind of image."""
    gaps = {kind: largest(expected, found, names) for kind, names in kinds.items()}
    return {kind: gap for kind, gap in gaps.items() if gap is not None}
