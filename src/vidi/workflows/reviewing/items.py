"""What a reviewer is shown of an image, and where images and opinions lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from vidi.labelling.agree import ModelView
from vidi.labelling.opinions import Opinion
from vidi.model_file.limits import Verdict

Occasion = Literal["conflicting-labels", "suspect-label", "no-label", "uncertain"]  # why an image is to be reviewed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReviewItem:
    """One image to be reviewed; it stands for its copies, too."""

    digest: str  # SHA-256 of the file's bytes, hex
    name: str  # what the page calls it: its path, or a few digits
    occasion: Occasion
    given: tuple[str, ...] = ()  # the labels that it has in the data
    verdict: Verdict | None = None  # of the model
    candidates: tuple[str, ...] = ()
    view: ModelView | None = None  # None where no model was asked, or the image could not be used
    suggested: tuple[str, float] | None = None  # by a network that did not learn from it: its answer and probability
    copies: int = 0  # exact and near copies, which are not shown


class ReviewSource(Protocol):
    """Images to review, in an order, and a place for opinions. Safe to use from several threads."""

    @property
    def title(self) -> str:
        """What is reviewed, for people."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the model's probabilities."""

    @property
    def multi_label(self) -> bool:
        """Whether an image may show several classes, or none."""

    def items(self) -> Sequence[ReviewItem]:
        """Images to review, the most informative first."""

    def image(self, digest: str) -> bytes | None:
        """The bytes of an image file; None where it is gone."""

    def opinions(self) -> Sequence[Opinion]:
        """Everything that was said so far, by anybody."""

    def add(self, opinion: Opinion) -> None:
        """Keep an opinion; it is on the disk when this returns. One whose key is there already is no other one."""

    def undo(self, key: str) -> None:
        """Forget an opinion."""

    def claim(self, digest: str, claimant: str, *, until: float, now: float) -> bool:
        """Take an image, so that nobody else is shown it until a time; False where another has it."""

    def release(self, digest: str, claimant: str) -> None:
        """Give a claim up."""
