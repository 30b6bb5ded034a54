"""Traffic describes the same images in every field."""

import numpy as np
import pytest

from vidi.errors import ShapeError
from vidi.monitoring.traffic import ModelTraffic


def test_fields_of_different_lengths_are_refused():
    probabilities = np.full((3, 2), 0.5, np.float32)

    with pytest.raises(ShapeError, match=r"3 times of arrival.*'sharpness': 2"):
        ModelTraffic(
            at=np.arange(3.0),
            digests=["a", "b", "c"],
            probabilities=probabilities,
            said=probabilities > 0.4,
            verdicts=[None, None, None],
            qualities={"sharpness": np.zeros(2, np.float32)},
        )
