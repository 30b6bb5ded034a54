"""Class names: distinct on every system, ordered, and reduced to the requested ones."""

import difflib
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from vidi.errors import DataError, UnknownNameError, UsageError
from vidi.files import escape_path
from vidi.numbers import first_of

MOST_NAMED = 20  # classes, in a message
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


def require_distinct(counts: Counter[str], *, given: str) -> None:
    """Make sure that every system tells the class names apart.

    Raises:
        DataError: two names are one on other file systems, or Windows keeps a name for a device.
    """
    families: dict[str, list[str]] = {}
    for name in sorted(counts):
        families.setdefault(folded_name(name), []).append(name)
    if clashing := [family for family in families.values() if len(family) > 1]:
        most = [max(family, key=lambda name: counts[name]) for family in clashing]  # the first of equals, by spelling
        pairs = [(name, best) for family, best in zip(clashing, most, strict=True) for name in family if name != best]
        raise DataError(
            f"{given}: the classes {' and '.join(map(_quoted, clashing[0][:2]))} are one name on other file systems",
            f"Rename one of the two folders or labels{_or_names(pairs, 'to read them as one class')}.",
        )
    if reserved := [
        (name, name.replace(".", "_.", 1) if "." in name else f"{name}_")
        for name in counts
        if folded_name(name).partition(".")[0] in RESERVED_NAMES
    ]:
        raise DataError(
            f"{given}: the class {_quoted(reserved[0][0])} has a name that Windows keeps for a device",
            f"Rename it{_or_names(reserved, 'for another name')}.",
        )


def _or_names(pairs: Sequence[tuple[str, str]], why: str) -> str:
    """The option that renames these classes, ready for the shell; empty where it cannot be typed."""
    if any(not name.isprintable() or {*",="} & {*name} for pair in pairs for name in pair):
        return ""
    return f", or use --names {shlex.quote(','.join(map('='.join, pairs)))} {why}"


def renamed(classes: Sequence[str], names: str) -> dict[str, str]:
    """The new name for each class, from `0=person,1=dog` or `person,dog` (counted from 0).

    Raises:
        UsageError: the text is not of this form, or names a class that is not there; a number may have no image.

    >>> renamed(["0", "1"], "0=person")
    {'0': 'person', '1': '1'}
    >>> renamed(["Cat", "cat"], "Cat=cat")
    {'Cat': 'cat', 'cat': 'cat'}
    """
    given: dict[str, str] = {}
    for number, part in enumerate(names.split(",")):
        old, equals, new = part.partition("=") if "=" in part else (str(number), "=", part)
        old = old if old in classes else old.strip()
        if not (old and equals and new.strip()) or old in given:
            raise UsageError(f"`--names {names}`: {part!r} names no class", "Write it as `--names 0=person,1=dog`.")
        given[old] = new.strip()
    unknown = [old for old in given if old not in classes and not old.isdigit()]
    if unknown or given.keys().isdisjoint(classes):
        raise UsageError(
            f"`--names {names}`: {_quoted([*unknown, *given][0])} is not a class of the data",
            f"The data has {_listed(classes)}.",
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


def _listed(classes: Sequence[str]) -> str:
    return first_of([_quoted(name) for name in classes], MOST_NAMED)
