"""What the user named to be read: whether there was an image, and how a command ends that read them."""

from collections.abc import Sequence

from vidi.data.inputs import FoundInputs
from vidi.errors import DataError
from vidi.images.account import Account

DONE, ALL_BAD, SOME_BAD = 0, 3, 6


def exit_code(account: Account) -> int:
    """What the command ends with: 0 where all was used, 6 where some inputs were bad, 3 where all were."""
    if not account.refused:
        return DONE
    return SOME_BAD if account.used else ALL_BAD


def no_images(found: Sequence[FoundInputs]) -> DataError:
    """What to say where there is nothing to classify."""
    ignored = sum(len(group.account.ignored) for group in found)
    return DataError(
        f"no image was found; {ignored:,} other files were ignored" if ignored else "no image was found",
        "Name image files, folders, archives, a pattern such as 'photos/*.jpg', or - for standard input.",
    )
