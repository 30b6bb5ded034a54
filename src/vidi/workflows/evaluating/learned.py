"""Which images may be scored, and which a model was trained on, from its run folder and its model file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vidi.data.dataset import Dataset
from vidi.data.splitting.split_plan import read_assignments
from vidi.errors import DataError
from vidi.evaluation.answers import EXTRA, TEST, Answers, Reason
from vidi.evaluation.sections import LearnedFacts
from vidi.evaluation.uses import digest_of_images
from vidi.files import escape_path
from vidi.images.account import Account
from vidi.prediction.predictor import Predictor
from vidi.workflows.interaction.run_folder import SPLITS

LEARNED_FROM = ("learned-from", "The image was used to train or choose the model.")
CHOSEN_ON = ("train", "validation", "calibration")


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedFrom:
    """What is known about the images behind a model."""

    assigned: frozenset[str]  # digests, by the splits.csv of its run folder
    filters: tuple[Callable[[str], bool], ...]  # of the model file
    is_stated: bool  # either says it; else any image may be one of them
    test_digest: str  # of all images of its own test part; "" where there are none

    def holds(self, digest: str) -> bool:
        """Whether the model was trained on the file with this digest; wrong for one in a thousand other files."""
        return digest in self.assigned or any(holds(digest) for holds in self.filters)

    def leaves_out(self, _row: int, digest: str) -> Reason | None:
        """Why an image is not scored; None where it is."""
        return LEARNED_FROM if self.holds(digest) else None

    def facts(self, digests: Sequence[str], account: Account) -> LearnedFacts:
        """Return the section `learned_from` of metrics.json: whether all scored images are held out, and the count."""
        return LearnedFacts(
            unseen=self.is_stated or digest_of_images(digests) == self.test_digest,
            set_aside=sum(entry.code == LEARNED_FROM[0] for entry in account.set_aside),
        )


def find_learned(predictor: Predictor) -> LearnedFrom:
    """Find a model's training images, from its run folder and its model file.

    Raises:
        DataError: splits.csv is damaged.
        ModelError: the file's own list is.
    """
    splits = predictor.model.path.parent / SPLITS
    stated = predictor.metadata.provenance.learned_from
    rows = read_assignments(splits) if splits.exists() else []
    return LearnedFrom(
        assigned=frozenset(row.digest for row in rows if row.part in CHOSEN_ON),
        filters=tuple(one.asker() for one in stated or ()),
        is_stated=splits.exists() or stated is not None,
        test_digest=str((predictor.metadata.provenance.data or {}).get("test_digest", "")),
    )


def parts_to_score(dataset: Dataset, parts: Mapping[str, str]) -> dict[int, str]:
    """Choose the images to score: image index → `test` or `extra`.

    Of a data set with parts its test and extra parts; without them all that is not `train`; without parts all.

    Args:
        dataset: the images, perhaps with parts.
        parts: what each named part is used as (`--parts`).
    """
    used = [parts.get(image.part or "", image.part or "") for image in dataset.images]
    scored = {index: part for index, part in enumerate(used) if part in (TEST, EXTRA)}
    others = {index: TEST for index, part in enumerate(used) if part != "train"}
    return scored or others or dict.fromkeys(range(len(used)), TEST)


def account_for(dataset: Dataset, answers: Sequence[Answers], account: Account) -> Account:
    """Complete an account with what became of the images that models were asked about.

    Raises:
        DataError: no image is left to score.
    """
    lost = [entry for one in answers for entry in one.lost]
    learned = [entry for entry in lost if entry.code == LEARNED_FROM[0]]
    refused = [entry for entry in lost if entry.code != LEARNED_FROM[0]]
    if not answers[-1].paths:
        raise DataError(
            f"{escape_path(dataset.source)}: no image is left to score: {len(learned):,} were used in training, "
            f"and {len(refused):,} cannot be read",
            "Use images that the model has not seen. `vidi check` lists unreadable files.",
        )
    return Account(
        used=len(answers[-1].paths),
        set_aside=[*account.set_aside, *learned],
        refused=[*account.refused, *refused],
        ignored=account.ignored,
    )
