"""How several networks stand side by side in one model file, and how to see it."""

from collections.abc import Iterable

MEMBERS = "members"  # with a member's number it stands before the names of its tensors: `members.0.head.weight`
MIRRORED = "mirrored"  # how the names begin of what a network that looks both ways adds


def member_count(tensor_names: Iterable[str]) -> int:
    """How many networks answer together in a file with these tensors; usually 1.

    >>> member_count(["members.0.head.weight", "members.1.head.weight", "vidi.mean"])
    2
    """
    numbers = {name.split(".")[1] for name in tensor_names if name.startswith(f"{MEMBERS}.")}
    return max(1, len(numbers))
