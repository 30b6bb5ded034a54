"""Images of a prediction log with what their opinions come to, as a data set."""

import contextlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from vidi.errors import ImageError
from vidi.images.decode import read_header
from vidi.images.formats.registry import FORMATS
from vidi.labelling.agree import Settled
from vidi.labelling.opinions import Answer
from vidi.log.store import PredictionLog
from vidi.workflows.reviewing.export import ExportedLabels, LabelledFile, write_labelled

SHORT = 16  # digits of a digest that name an image


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
