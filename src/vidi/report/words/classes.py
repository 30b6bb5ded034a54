"""The classes of a model and those of a data set, where they differ, in sentences."""

from collections.abc import Mapping

from vidi.evaluation.match import ClassMatch, listed
from vidi.report.words.counting import count_of


def describe_match(match: ClassMatch, counts: Mapping[str, int]) -> list[str]:
    """What to know where the two lists differ.

    Args:
        match: of the two lists.
        counts: class → images that were answered.

    >>> describe_match(ClassMatch(("cat", "bird"), ("dog",), ("bird",)), {"cat": 5, "bird": 3})
    ['3 images skipped: the model does not know their class (bird 3)', 'no image shows: dog']
    """
    unknown = {name: counts[name] for name in match.foreign if counts.get(name)}
    lines = []
    if unknown:
        shown = listed([f"{name} {count:,}" for name, count in unknown.items()])
        lines.append(
            f"{count_of(sum(unknown.values()), 'image')} skipped: the model does not know their class ({shown})"
        )
    if match.absent:
        lines.append(f"no image shows: {listed(match.absent)}")
    return lines
