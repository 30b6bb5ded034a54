import numpy as np

from tests.draw import draw, encoded
from vidi.images.framing import Framing, frame_image
from vidi.images.workers.crew import DecodeCrew

FRAMING = Framing(size=(24, 24))


def test_bytes_go_in_and_a_framed_image_comes_out():
    with DecodeCrew(1) as crew:
        assert crew.standing == 1
        read = crew.decode(encoded(draw("disc", seed=3)), framing=FRAMING)
        assert np.array_equal(read.image, frame_image(draw("disc", seed=3), FRAMING))
        whole = crew.decode(memoryview(encoded(draw("disc", seed=3))))
        assert np.array_equal(whole.image, draw("disc", seed=3))
    assert crew.standing == 0
