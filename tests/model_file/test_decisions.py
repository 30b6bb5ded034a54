"""What limits make of probabilities, image by image and of many at once."""

from dataclasses import replace

import numpy as np

from tests.export.decide_cases import drawn_cases
from vidi.model_file.decisions import find_verdicts, judge


def test_the_verdicts_of_many_images_are_those_of_each_alone():
    verdicts = set()
    for case in drawn_cases(200):
        rows = np.stack([case.row, np.roll(case.row, 1), case.row])
        strange = None if case.novelty is None else np.array([case.novelty, 0, 3 * case.novelty], np.float32)

        found = find_verdicts(rows, case.metadata, novelty=strange)

        novelties = [None] * 3 if strange is None else strange.tolist()
        alone = [judge(row, case.metadata, novelty=one).verdict for row, one in zip(rows, novelties, strict=True)]
        assert (found or [None] * 3) == alone
        verdicts |= set(alone)
    assert verdicts == {"sure", "unsure", "unknown", None}


def test_a_model_without_limits_gives_no_verdicts():
    case = next(drawn_cases(1))

    assert find_verdicts(case.row[None], replace(case.metadata, verdict=None)) is None
