"""Numbers as people read them, the same on the terminal, in the report and in the model card."""

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


def _is_too_round(value: float, shown: str) -> bool:
    """Whether a share that is neither none nor all reads as if it were."""
    return (value < 1.0 and float(shown) >= 100) or (value > 0.0 and float(shown) == 0)
