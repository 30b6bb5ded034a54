"""What people said of a prediction log's images, as a folder that a retraining reads."""

import os
from pathlib import Path

from vidi.data.dataset import NEWEST
from vidi.data.joined import is_feedback_path
from vidi.data.splitting.split_file import read_assignments
from vidi.errors import DataError
from vidi.evaluation.answers import TEST
from vidi.files import escape_path
from vidi.labelling.shares import cap_sources, newest_reviewed
from vidi.log.address import is_log, parse_address
from vidi.log.store import PredictionLog
from vidi.workflows.interaction.run_folder import SPLITS
from vidi.workflows.requests.retrain import RetrainRequest
from vidi.workflows.requests.shared import FEEDBACK_WEIGHT
from vidi.workflows.reviewing.export import ExportedLabels
from vidi.workflows.reviewing.from_log import confirmed_labels
from vidi.workflows.reviewing.settled import write_settled

LABELS = "feedback"  # folders in the run folder: feedback-1, feedback-2 …


def take_labels(request: RetrainRequest, run: Path, *, multi_label: bool = False) -> ExportedLabels | None:
    """Copy the images with confirmed labels out of the log that a request names; None where it names a data set.

    The copies lie in the run folder, since every later retraining learns from them, too. What one source sent through
    the server is at most its share of all images of the retraining, each as often as it counts.

    Args:
        request: with the log as its feedback.
        run: run folder that is trained again.
        multi_label: an image of the run may show several classes, or none.

    Raises:
        UsageError: the log's address cannot be used, or an image has several classes.
        DataError: no image has a confirmed label, or none of those is kept.
        ResourceError: the log cannot be read, or the copies not written.
    """
    if request.feedback is None or not is_log(request.feedback):
        return None
    address = parse_address(request.feedback, environment=os.environ)
    others = sum(
        row.part != TEST and not is_feedback_path(row.path) for row in read_assignments(run / SPLITS)
    )  # images that are learned from, beside feedback
    with PredictionLog.open(address, create=False) as log:
        settled = cap_sources(
            confirmed_labels(log),
            others=others,
            weight=FEEDBACK_WEIGHT,
        )
        if not any(one.state == "confirmed" for one in settled):
            raise DataError(
                f"{address} holds no image with a confirmed label ({len(settled):,} with feedback)",
                f"Label some: vidi review --log {address}",
            )
        kept = set(log.kept_digests())
        newest = newest_reviewed([one for one in settled if one.digest in kept], most=NEWEST)
        written = write_settled(log, settled, _free(run), held_back=newest, multi_label=multi_label)
    if not written.image_count:
        written.folder.rmdir()
        raise DataError(
            f"{address} keeps none of the images with a confirmed label",
            "Let the server keep images: `vidi serve --log URL --keep-images`. Without them, feedback only scores.",
        )
    return written


def label_words(labels: ExportedLabels) -> str:
    """What was taken from the log, in a line."""
    left = ", ".join(f"{count:,} {reason}" for reason, count in labels.left_out.items())
    taken = f"{labels.image_count:,} images with confirmed labels, copied to {escape_path(labels.folder)}"
    return taken + (f"; left out: {left}" if left else "")


def _free(run: Path) -> Path:
    number = 1
    while (folder := run / f"{LABELS}-{number}").exists():
        number += 1
    return folder
