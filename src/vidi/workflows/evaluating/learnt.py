"""Which images a model was trained on, from its run folder and its model file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vidi.data.splitting.split_file import read_assignments
from vidi.evaluation.sections import LearntFacts
from vidi.evaluation.uses import digest_of_images
from vidi.images.account import Account
from vidi.prediction.predictor import Predictor
from vidi.workflows.interaction.run_folder import SPLITS

LEARNT_FROM = ("learnt-from", "The image was used to train or choose the model.")
CHOSEN_ON = ("train", "validation", "calibration")


@dataclass(frozen=True, slots=True, kw_only=True)
class LearntFrom:
    """What is known about the images behind a model."""

    assigned: frozenset[str]  # digests, by the splits.csv of its run folder
    filters: tuple[Callable[[str], bool], ...]  # of the model file
    is_stated: bool  # either says it; else any image may be one of them
    test_digest: str  # of all images of its own test part; "" where there are none

    def holds(self, digest: str) -> bool:
        """Whether the model was trained on the file with this digest; wrong for one in a thousand other files."""
        return digest in self.assigned or any(holds(digest) for holds in self.filters)

    def facts(self, digests: Sequence[str], account: Account) -> LearntFacts:
        """Return the section `learnt_from` of metrics.json: whether all scored images are held out, and the count.

        Args:
            digests: of the images scored.
            account: of all images.
        """
        return LearntFacts(
            unseen=self.is_stated or digest_of_images(digests) == self.test_digest, set_aside=count_learnt(account)
        )


def find_learnt(predictor: Predictor) -> LearntFrom:
    """Find a model's training images, from its run folder and its model file.

    Raises:
        DataError: splits.csv is damaged.
        ModelError: the file's own list is.
    """
    splits = predictor.model.path.parent / SPLITS
    stated = predictor.metadata.learnt_from
    rows = read_assignments(splits) if splits.exists() else []
    return LearntFrom(
        assigned=frozenset(row.digest for row in rows if row.part in CHOSEN_ON),
        filters=tuple(one.asker() for one in stated or ()),
        is_stated=splits.exists() or stated is not None,
        test_digest=str((predictor.metadata.data or {}).get("test_digest", "")),
    )


def count_learnt(account: Account) -> int:
    """Count the images that were set aside because the model was trained on them."""
    return sum(entry.code == LEARNT_FROM[0] for entry in account.set_aside)
