"""Text that is safe to show, numbers with their nouns, and what became of every file."""

from collections import Counter
from typing import TYPE_CHECKING

from vidi import numbers
from vidi.files import escape_path
from vidi.images.account import Account

if TYPE_CHECKING:
    from markupsafe import Markup

NO_BREAK_SPACE = "\u00a0"
MINUS = "−"
MOST_NAMED = 10  # broken files


def visible(text: object) -> str:
    """Text whose signs all show: what would turn, hide or break it is written as its code.

    >>> visible("cat\\u202egnp.exe")
    'cat\\\\u202egnp.exe'
    """
    return "".join(
        sign
        if sign.isprintable() or sign == NO_BREAK_SPACE
        else sign.encode("unicode_escape", "surrogatepass").decode("ascii")
        for sign in str(text)
    )


def percent(value: float | None, *, digits: int = 0) -> str:
    """A share as people read it, on one line: see `vidi.numbers.percent`."""
    return numbers.percent(value, digits=digits, space=NO_BREAK_SPACE)


def number(value: float | None, *, digits: int = 3) -> str:
    """A number with a fixed count of decimals, or `no data`."""
    return "no data" if value is None else f"{value:,.{digits}f}"


def points(value: float | None) -> str:
    """A difference of two shares in percentage points.

    >>> points(0.0321), points(-0.5), points(None)
    ('+3.2', '−50.0', 'no data')
    """
    return "no data" if value is None else f"{100 * value:+.1f}".replace("-", MINUS)


def count(value: int) -> str:
    """A whole number with thousands set apart."""
    return f"{value:,}"


def rounded(count: int) -> str:
    """A large count as people say it.

    >>> rounded(896), rounded(12_345), rounded(1_234_567), rounded(407_000_000), rounded(15_470_000_000)
    ('896', '12,345', '1.2 million', '407 million', '15.5 billion')
    """
    for size, name in ((1_000_000_000, "billion"), (1_000_000, "million")):
        if count >= size:
            value = count / size
            return f"{value:.1f} {name}" if value < 100 else f"{value:.0f} {name}"
    return f"{count:,}"


def sentence(text: str) -> str:
    """A text that begins with a capital letter.

    >>> sentence("2 images are blurred"), sentence("the corners differ")
    ('2 images are blurred', 'The corners differ')
    """
    return text[:1].upper() + text[1:]


def in_its_folder(path: str) -> str:
    """A file's name with its folder, which often is its class.

    >>> in_its_folder("photos/train/cat/001.jpg"), in_its_folder("001.jpg")
    ('cat/001.jpg', '001.jpg')
    """
    return "/".join(path.split("/")[-2:])


def account_lines(account: Account, *, listed_in: str) -> list[str]:
    """Broken files by name, the reasons for setting images aside, and the account in one line.

    Args:
        listed_in: where all broken files are listed: a file, or an option that lists them.

    >>> from vidi.images.account import Entry
    >>> broken = [Entry(f"{number}.jpg", "broken", "It is cut off.") for number in range(12)]
    >>> account_lines(Account(used=3, refused=broken), listed_in="check.json")[8:]
    ['refused: 8.jpg: broken. It is cut off.', 'refused: 9.jpg: broken. It is cut off.', \
'refused: 2 more, all listed in check.json', 'found 15 = used 3 + set aside 0 + refused 12 + ignored 0']
    """
    more = len(account.refused) - MOST_NAMED
    return [
        *(
            f"refused: {escape_path(entry.path)}: {entry.code}. {escape_path(entry.sentence)}"
            for entry in account.refused[:MOST_NAMED]
        ),
        *([f"refused: {more:,} more, all listed in {listed_in}"] if more > 0 else []),
        *set_aside_lines(account),
        account.sentence(),
    ]


def set_aside_lines(account: Account) -> list[str]:
    """For each reason how many images were set aside for it, most first."""
    reasons = Counter((entry.code, entry.sentence) for entry in account.set_aside)
    return [f"set aside {count:,}: {sentence}" for (_, sentence), count in reasons.most_common()]


def drawn(svg: str) -> "Markup":
    """A figure for a template: it is drawn by ourselves, and every text in it was escaped."""
    from markupsafe import Markup  # comes with jinja2, and sentences are written without

    return Markup(svg)  # noqa: S704
