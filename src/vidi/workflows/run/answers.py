"""A run's model asked about its test images, which are read again from their files."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from vidi.errors import DataError
from vidi.evaluation.answers import CHANGED, Answers, Want, answer
from vidi.files import escape_path
from vidi.prediction.predictor import Predictor
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.run.prepare import Prepared

MOST_LOST = 0.01  # of the images may vanish or change while it trains


def answer_test_images(predictor: Predictor, prepared: Prepared, *, looks_at: Collection[int] = ()) -> Answers:
    """Predict the images of the parts `test` and `extra`, read again from their files.

    Args:
        predictor: the model.
        prepared: the data.
        looks_at: rows whose embeddings are wanted too.

    Raises:
        DataError: more than one in a hundred of the data set's images is gone, unreadable or changed since the check.
    """
    split, records, images = prepared.split, prepared.check.records, prepared.dataset.images
    rows = np.concatenate([split.rows("test"), split.rows("extra")]).tolist()
    want = Want(
        options=decode_options(prepared.request),
        traits=True,
        looks_at=looks_at,
        leave_out=lambda row, digest: CHANGED if digest != records[row].digest else None,
    )
    answers = answer(predictor, prepared.dataset, {row: split.parts[row] for row in rows}, want)
    if len(answers.lost) > MOST_LOST * len(images):
        raise DataError(
            f"{len(answers.lost)} of {len(rows)} test images are missing or changed, "
            f"first {escape_path(answers.lost[0].path)}",
            "Restore the images, then finish with `vidi train --resume RUN --finish`.",
        )
    suspect = set(split.suspect_test_rows)
    return replace(
        answers,
        groups=tuple(split.groups[row] for row in answers.rows.tolist()),
        near_copies=tuple(row in suspect for row in answers.rows.tolist()),
    )
