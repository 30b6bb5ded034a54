"""The account: every path that was given or found stands in it exactly once."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from vidi.files import escape_path


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that was not simply used: its path, a reason code, and one plain sentence."""

    path: str  # as the system names it; escaped only when it is written
    code: str
    sentence: str


@dataclass(slots=True)
class Account:
    """Count of all files: found = used + set aside + refused + ignored."""

    used: int = 0  # number of images that were used
    set_aside: list[Entry] = field(default_factory=list)  # usable images that are left out for a stated reason
    refused: list[Entry] = field(default_factory=list)  # files that cannot be used; exit code 6
    ignored: list[Entry] = field(default_factory=list)  # files of the system, documents and the like

    @property
    def found(self) -> int:
        """Number of files found."""
        return self.used + len(self.set_aside) + len(self.refused) + len(self.ignored)

    def of_scan(self) -> "Account":
        """Return a copy that counts no image as used yet."""
        return Account(0, list(self.set_aside), list(self.refused), list(self.ignored))

    def setting_aside(self, entries: Iterable[Entry]) -> "Account":
        """Move some used images to `set_aside`; those that are there already are not counted again."""
        known = {entry.path for entry in self.set_aside}
        new = [entry for entry in entries if entry.path not in known]
        return Account(self.used - len(new), [*self.set_aside, *new], list(self.refused), list(self.ignored))

    def using(self, paths: Iterable[str]) -> "Account":
        """Move images that are used after all back from `set_aside`."""
        used = frozenset(paths)
        kept = [entry for entry in self.set_aside if entry.path not in used]
        return Account(self.used + len(self.set_aside) - len(kept), kept, list(self.refused), list(self.ignored))

    def without(self, lost: list[Entry]) -> "Account":
        """Move some used files, now missing or changed, to `refused`."""
        return Account(self.used - len(lost), list(self.set_aside), [*self.refused, *lost], list(self.ignored))

    def sentence(self) -> str:
        """Return the counts in one line.

        >>> Account(used=3, ignored=[Entry(".DS_Store", "system-litter", "Left by the system.")]).sentence()
        'found 4 = used 3 + set aside 0 + refused 0 + ignored 1'
        """
        return (
            f"found {self.found:,} = used {self.used:,} + set aside {len(self.set_aside):,} "
            f"+ refused {len(self.refused):,} + ignored {len(self.ignored):,}"
        )

    def as_json(self) -> dict[str, object]:
        """Return the account as in every JSON that vidi writes, with escaped paths."""
        return {
            "found": self.found,
            "used": self.used,
            "set_aside": [_entry_as_json(entry) for entry in self.set_aside],
            "refused": [_entry_as_json(entry) for entry in self.refused],
            "ignored": dict(sorted(Counter(entry.code for entry in self.ignored).items())),
        }


def _entry_as_json(entry: Entry) -> dict[str, str]:
    return {"path": escape_path(entry.path), "code": entry.code, "message": entry.sentence}
