"""Class names: distinct on every system, ordered, and reduced to the requested ones."""

import difflib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from vidi.errors import DataError, UnknownNameError, UsageError
from vidi.files import escape_path

# Names that Windows keeps for devices: a folder of that name cannot be made there.
RESERVED_NAMES = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{digit}" for digit in "123456789"), *(f"lpt{digit}" for digit in "123456789")]
)


def order_names(names: Iterable[str]) -> list[str]:
    """Class names in the order that every run gives them: by number where all are numbers, else by spelling.

    >>> order_names(["10", "9"]), order_names(["s10", "s9"])
    (['9', '10'], ['s10', 's9'])
    """
    distinct = set(names)
    if all(name.isascii() and name.isdigit() for name in distinct):
        return sorted(distinct, key=lambda name: (int(name), name))
    return sorted(distinct)


def folded_name(name: str) -> str:
    """What a name becomes on a file system that folds case, Unicode form and closing spaces and dots.

    >>> folded_name("Cat. ") == folded_name("cat")
    True
    """
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return folded.strip().rstrip(". ") or name


def merged_names(counts: Counter[str], *, merge: bool, given: str) -> dict[str, str]:
    """For each class name the one to use: itself, or with `merge` the most frequent of those that fold together.

    Args:
        counts: images by class name.
        merge: fold names together, and give names that Windows keeps for devices a closing `_`.
        given: the source, for the message.

    Raises:
        DataError: two names are one on other file systems, or a name is reserved, and `merge` is off.
    """
    families: dict[str, list[str]] = {}
    for name in sorted(counts):
        families.setdefault(folded_name(name), []).append(name)
    chosen: dict[str, str] = {}
    for folded, family in families.items():
        if len(family) > 1 and not merge:
            raise DataError(
                f"{given}: the classes {' and '.join(map(_quoted, family[:2]))} are one name on other file systems",
                "Rename one of the two folders or labels, or read them as one class with `--merge-names`.",
            )
        best = max(family, key=lambda name: counts[name])  # the first of equals, by spelling
        if folded.partition(".")[0] in RESERVED_NAMES:
            if not merge:
                raise DataError(
                    f"{given}: the class {_quoted(best)} has a name that Windows keeps for a device",
                    f"Rename it, or let `--merge-names` call it {_quoted(best + '_')}.",
                )
            best = f"{best}_"
        chosen.update(dict.fromkeys(family, best))
    return chosen


def renamed(classes: Sequence[str], names: str) -> dict[str, str]:
    """The new name for each class, from `0=person,1=dog` or `person,dog` (counted from 0).

    Raises:
        UsageError: the text is not of this form, or names none of the classes.

    >>> renamed(["0", "1"], "0=person")
    {'0': 'person', '1': '1'}
    """
    given: dict[str, str] = {}
    for number, part in enumerate(names.split(",")):
        key, equals, value = part.partition("=")
        key, value = (key.strip(), value.strip()) if equals else (str(number), key.strip())
        if not key or not value:
            raise UsageError(f"`--names {names}`: {part!r} names no class", "Write it as `--names 0=person,1=dog`.")
        given[key] = value
    if given.keys().isdisjoint(classes):
        raise UsageError(
            f"`--names {names}` names none of the classes {_listed(classes)}",
            "Name only classes that the data has.",
        )
    return {name: given.get(name, name) for name in classes}


def known_class(name: str, classes: Sequence[str], *, flag: str) -> str:
    """`name` itself where it is one of the classes.

    Raises:
        UnknownNameError: it is not; the nearest name is proposed.
    """
    if name in classes:
        return name
    near = difflib.get_close_matches(name, classes, n=1) or [other for other in classes if folded_name(other) == name]
    proposal = f" Did you mean {_quoted(near[0])}?" if near else ""
    raise UnknownNameError(
        f"`{flag} {escape_path(name)}`: there is no class {_quoted(name)}",
        f"The classes are {_listed(classes)}.{proposal}",
    )


def _quoted(name: str) -> str:
    return f"'{escape_path(name)}'"


def _listed(classes: Sequence[str], *, most: int = 20) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(_quoted(name) for name in classes[:most])
    return shown if len(classes) <= most else f"{shown} and {len(classes) - most:,} more"
