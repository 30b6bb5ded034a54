"""What a table says of its images beside path, label, split and group: kept where figures can be given by it."""

from dataclasses import dataclass, field

MOST_KINDS = 50  # different texts of a column; one with more, a name or a caption, divides nothing
LONGEST_TEXT = 60  # signs
MOST_NUMBERS = 2_000  # different whole numbers that are waited for
DIGITS = 3  # significant ones of a number

Pairs = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _SeenValues:
    """What one column has held so far."""

    rows: int = 0
    kinds: set[str] = field(default_factory=set)
    all_numbers: bool = True
    all_whole: bool = True

    def names_images(self) -> bool:
        """Whether it is a name, a caption or a number of its own for each image: nothing that divides them."""
        count = len(self.kinds)
        return count > MOST_KINDS and (not self.all_numbers or (self.all_whole and count > self.rows / 2))

    def is_hopeless(self) -> bool:
        """Whether that is sure already, while rows still come; numbers that count may yet repeat."""
        return self.names_images() and (not self.all_numbers or len(self.kinds) > MOST_NUMBERS)


class FurtherColumns:
    """The further columns of a table while it is read.

    There is one copy of each text, however many rows, and a column with too many different ones is let go at once.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _SeenValues] = {}
        self._dropped: set[str] = set()
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._rows: dict[Pairs, Pairs] = {}

    def keep(self, others: Pairs) -> Pairs:
        """What is kept of one row's further columns."""
        pairs = ((name, _shortened(text)) for name, text in others if name not in self._dropped)
        kept = tuple(self._pairs.setdefault(pair, pair) for pair in pairs if self._divides(*pair))
        return self._rows.setdefault(kept, kept)

    def useful(self, kept: Pairs) -> Pairs:
        """The same without the columns that turned out to hold too many texts, or only one."""
        useful = tuple(pair for pair in kept if self._is_useful(pair[0]))
        return self._rows.setdefault(useful, useful)

    def _is_useful(self, name: str) -> bool:
        seen = self._seen[name]
        return name not in self._dropped and len(seen.kinds) > 1 and not seen.names_images()

    def _divides(self, name: str, text: str) -> bool:
        """Count the text; false where the column is let go for it."""
        seen = self._seen.setdefault(name, _SeenValues())
        seen.rows += 1
        seen.kinds.add(text)
        seen.all_numbers = seen.all_numbers and is_number(text)
        seen.all_whole = seen.all_whole and text.isdecimal()
        if len(text) > LONGEST_TEXT or seen.is_hopeless():
            self._dropped.add(name)
            return False
        return True


def is_number(text: str) -> bool:
    """Whether a text is a finite number.

    >>> [is_number(text) for text in ("3", "-0.5", "1e3", "nan", "7a", "")]
    [True, True, True, False, False, False]
    """
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False


def _shortened(text: str) -> str:
    """A number with three significant digits, so that few are different; any other text as it is."""
    return f"{float(text):.{DIGITS}g}" if "." in text and is_number(text) else text
