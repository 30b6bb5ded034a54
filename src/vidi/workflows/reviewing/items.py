"""What a reviewer is shown of an image, where images and opinions lie, and what a review has settled."""

import contextlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from vidi.errors import ImageError
from vidi.images.decode import read_header
from vidi.images.formats.registry import FORMATS
from vidi.labelling import Answer, ModelView, Opinion, Settled
from vidi.log.store import PredictionLog
from vidi.model_file.limits import Verdict
from vidi.workflows.reviewing.export import ExportedLabels, LabelledFile, write_labelled

Occasion = Literal["conflicting-labels", "suspect-label", "no-label", "uncertain"]  # why an image is to be reviewed
SHORT = 16  # digits of a digest that name an image


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


def write_settled(
    log: PredictionLog,
    settled: Sequence[Settled],
    target: Path,
    *,
    held_back: Collection[str] | None = None,
    multi_label: bool = False,
) -> ExportedLabels:
    """Write the images whose label is confirmed, and which the log keeps.

    Args:
        log: open.
        settled: of its feedback.
        target: a new folder.
        held_back: digests of images that a model may be tested on: they are put under `test`, all others under
            `train`; None: there are no parts.
        multi_label: an image may show several classes, or none.

    Raises:
        UsageError: the folder exists, or an image has several classes.
        ResourceError: the log cannot be read, or the folder not written.
    """
    files = (
        replace(
            _file(one.digest, one.answer, log.image(one.digest)),
            part="" if held_back is None else "test" if one.digest in held_back else "train",
        )
        for one in settled
        if one.state == "confirmed" and one.answer is not None
    )
    left_out = Counter[str](one.why or one.state for one in settled if one.state != "confirmed")
    return write_labelled(target, files, left_out=left_out, multi_label=multi_label)


def _file(digest: str, answer: Answer, data: bytes | None) -> LabelledFile:
    """An image under a short name with the ending of its format."""
    ending = ""
    if data is not None:
        with contextlib.suppress(ImageError):
            ending = FORMATS[read_header(data).format].extensions[0]
    return LabelledFile(name=digest[:SHORT] + ending, answer=answer, data=data)
