"""The accuracy that a model would have if nobody had corrected a label of the test images: cleaning is no gain."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vidi.data.dataset import Dataset, LabelledImage
from vidi.evaluation.answers import TEST, Answers, Want, answer
from vidi.evaluation.scores import estimate_share, number_groups_or_images
from vidi.evaluation.sections import CorrectedTest
from vidi.prediction.predictor import Predictor


def score_as_given(
    predictor: Predictor,
    dataset: Dataset,
    known: Answers,
    left_out: Sequence[LabelledImage],
    *,
    want: Want,
    seed: int = 0,
) -> CorrectedTest | None:
    """Count what people corrected in the test part, and score the model with the labels that the data gives.

    Every correction counts, since nobody can know whether it was made before somebody saw a model.

    Args:
        left_out: images of the test part that people left out; those that `want` leaves out do not count.

    Returns:
        None where people corrected no test image.
    """
    tested = known.only((np.array(known.parts) == TEST) & known.truth.is_known)
    images = [dataset.images[row] for row in tested.rows.tolist()]
    is_changed = np.array([image.given is not None for image in images], np.bool_)
    # An image to which the data gives no label had none that was corrected.
    had_label = [image for image in images if image.given or (image.given is not None and dataset.multi_label)]
    before = [replace(image, labels=image.given or frozenset()) for image in had_label]
    asked = (*before, *left_out)
    if not asked:
        return None
    given = replace(dataset, images=asked)
    others = answer(predictor, given, dict.fromkeys(range(len(asked)), TEST), want)
    others = others.only(others.truth.is_known)
    if not len(others.rows):
        return None
    is_right = np.concatenate([tested.is_right[~is_changed], others.is_right])
    kept_groups = [group for group, changed in zip(tested.groups, is_changed.tolist(), strict=True) if not changed]
    groups = number_groups_or_images([*kept_groups, *others.groups], len(is_right))
    return CorrectedTest(
        relabelled=len(before),
        left_out=int((others.rows >= len(before)).sum()),
        accuracy_as_given=estimate_share(is_right, np.ones_like(is_right), groups, seed=seed),
    )
