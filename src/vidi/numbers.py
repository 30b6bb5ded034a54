"""Numbers and lists as people read them, the same on the terminal, in the report and in the model card."""

from collections.abc import Sequence

FINEST = 2  # decimals of a percentage


def percent(value: float | None, *, digits: int = 0, space: str = " ") -> str:
    """A share as people read it.

    A share below 1 is never shown as 100 %, and one above 0 never as 0 %: it gets the decimals that this takes.

    Args:
        value: the share; None: no data.
        digits: decimals, where these are enough.
        space: what stands before the sign.

    >>> [percent(share) for share in (0.984, 0.995, 0.9996, 0.0004, 0.99999, 1.0, None)]
    ['98 %', '99.5 %', '99.96 %', '0.04 %', '> 99.99 %', '100 %', 'no data']
    """
    if value is None:
        return "no data"
    for decimals in range(digits, max(digits, FINEST) + 1):
        shown = f"{100 * value:.{decimals}f}"
        if not _is_too_round(value, shown):
            return f"{shown}{space}%"
    near_all = value > 0.5
    return f"{'>' if near_all else '<'}{space}{99.99 if near_all else 0.01}{space}%"


def short_percent(value: float) -> str:
    """A share that someone named, with no more decimals than it needs.

    >>> short_percent(0.95), short_percent(0.975), short_percent(0.99999)
    ('95 %', '97.5 %', '99.999 %')
    """
    shown = f"{100 * value:.2f}".rstrip("0").rstrip(".")
    return f"{f'{100 * value:.10g}' if _is_too_round(value, shown) else shown} %"


def odds(share: float) -> str:
    """A share that someone named, as a count out of the smallest power of ten that shows it.

    >>> odds(0.05), odds(0.95), odds(0.025), odds(0.001), odds(1 / 60)
    ('5 in 100', '95 in 100', '25 in 1,000', '1 in 1,000', '17 in 1,000')
    """
    out_of = 100
    while out_of < 1_000_000 and abs(share * out_of - round(share * out_of)) > 0.025 * share * out_of:
        out_of *= 10
    return f"{round(share * out_of):,} in {out_of:,}"


def count_of(number: int, word: str) -> str:
    """A count with its noun.

    >>> count_of(1, "image"), count_of(1200, "image"), count_of(2, "copy"), count_of(2, "box")
    ('1 image', '1,200 images', '2 copies', '2 boxes')
    """
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}{'es' if word.endswith(('s', 'x')) else 's'}"
    return f"{number:,} {word if number == 1 else plural}"


def first_of(names: Sequence[str], most: int) -> str:
    """The first names, and how many more there are.

    >>> first_of(["cat", "dog"], 10), first_of(["cat", "dog", "eel"], 2)
    ('cat, dog', 'cat, dog and 1 more')
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def is_number(text: str) -> bool:
    """Whether a text is a finite number.

    >>> [is_number(text) for text in ("3", "-0.5", "1e3", "nan", "7a", "")]
    [True, True, True, False, False, False]
    """
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False


def _is_too_round(value: float, shown: str) -> bool:
    """Whether a share that is neither none nor all reads as if it were."""
    return (value < 1.0 and float(shown) >= 100) or (value > 0.0 and float(shown) == 0)
