"""What a model file can notice later stands in one line."""

from dataclasses import replace

import numpy as np

from tests.monitoring.populations import draw_reference
from vidi.report.words.guarantees import describe_reference


def test_the_line_says_what_the_reference_holds_and_lacks():
    reference = draw_reference(np.random.default_rng(0))

    whole = describe_reference(reference, byte_count=9_100)
    older = describe_reference(replace(reference, novelty=None, images=None), byte_count=900)

    assert whole == (
        "600 held-out answers (calibration), 400 calibration images, 200 embeddings on 24 components, "
        "200 summed up; 10 kB"
    )
    assert older == "600 held-out answers (calibration), no images, no novelty; 1 kB"
