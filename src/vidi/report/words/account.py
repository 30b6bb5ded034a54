"""What became of every file, in lines for people: broken files by name, and why images were set aside."""

from collections import Counter

from vidi.files import escape_path
from vidi.images.account import Account

MOST_NAMED = 10  # broken files


def account_lines(account: Account, *, listed_in: str) -> list[str]:
    """Broken files by name, the reasons for setting images aside, and the account in one line.

    Args:
        account: of every path that was found.
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
