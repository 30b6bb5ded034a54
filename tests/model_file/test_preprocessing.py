"""The graph's framing and the host's are one rule: held together over many sizes."""

from itertools import product

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from tests.cases import few_fast
from vidi.images.framing import Framing, Mode, frame_image, resized_size, shrunk_size
from vidi.model_file.preprocessing import PREFIX, GraphParts, add_framing

SIZES = [
    *product((1, 2, 3, 15, 16, 17, 33, 100), (1, 2, 5, 16, 24, 31, 97)),
    *((375, 500), (500, 375), (1000, 37), (3, 999), (20_000, 2), (2, 20_000)),
]
MODES: tuple[Mode, ...] = ("stretch", "pad", "crop")


def framing_session(framing: Framing) -> onnxruntime.InferenceSession:
    """A graph that frames and gives every inner size."""
    parts = GraphParts()
    framed = add_framing(parts, framing)
    sizes = [name for name in ("shrunk.size", "resized.size") if any(PREFIX + name in n.output for n in parts.nodes)]
    outputs = [helper.make_tensor_value_info(framed, TensorProto.UINT8, ["b", "h", "w", 3])]
    outputs += [helper.make_tensor_value_info(PREFIX + name, TensorProto.INT64, [2]) for name in sizes]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", "height", "width", 3])
    graph = helper.make_graph(parts.nodes, "framing", [images], outputs, parts.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("size", "shrink_to"), few_fast([((33, 20), (9, 8)), ((16, 24), None), ((17, 17), (16, 5))]))
def test_the_graph_frames_as_the_host_does(mode: Mode, size: tuple[int, int], shrink_to: tuple[int, int] | None):
    framing = Framing(size=size, mode=mode, shrink_to=shrink_to)
    session = framing_session(framing)
    random = np.random.default_rng(0)

    for given in [*SIZES, size]:
        image = random.integers(0, 256, (*given, 3), dtype=np.uint8)
        framed, *inner = session.run(None, {"images": image[None]})

        first = shrunk_size(given, framing)
        expected = [first] if shrink_to else []
        expected += [resized_size(first, framing)] if mode != "stretch" else []
        assert [tuple(sides) for sides in inner] == expected, given
        on_host = frame_image(image, framing)
        assert framed.shape[1:] == on_host.shape
        assert np.abs(framed[0].astype(int) - on_host).max() <= 2, given


@pytest.mark.parametrize("given", [(64, 64), (60, 80), (28, 28), (1, 1), (7, 5), (95, 33), (50, 96)])
def test_an_image_that_grows_is_the_same_to_the_bit_in_the_graph_and_on_the_host(given: tuple[int, int]):
    framing = Framing(size=(96, 96), mode="stretch")
    image = np.random.default_rng(0).integers(0, 256, (*given, 3), dtype=np.uint8)

    framed = framing_session(framing).run(None, {"images": image[None]})[0][0]

    np.testing.assert_array_equal(frame_image(image, framing), framed)


@pytest.mark.parametrize(
    ("given", "most"), [((160, 192), 0.001), ((100, 120), 0.001), ((240, 320), 0.01), ((500, 375), 0.01)]
)
def test_an_image_that_shrinks_differs_between_graph_and_host_in_rare_ties_alone(given: tuple[int, int], most: float):
    framing = Framing(size=(96, 96), mode="stretch")
    image = np.random.default_rng(0).integers(0, 256, (*given, 3), dtype=np.uint8)

    framed = framing_session(framing).run(None, {"images": image[None]})[0][0]

    levels = np.abs(framed.astype(int) - frame_image(image, framing))
    assert (levels > 0).mean() <= most  # by Pillow's arithmetic, 0.025 of (160, 192); columns before rows, over 0.1
    assert levels.max() <= 1


@pytest.mark.parametrize("mode", MODES)
def test_a_framed_image_goes_through_untouched(mode: Mode):
    framing = Framing(size=(20, 30), mode=mode, shrink_to=(8, 8))
    session = framing_session(framing)
    framed = frame_image(np.random.default_rng(0).integers(0, 256, (50, 41, 3), dtype=np.uint8), framing)

    again = session.run(None, {"images": framed[None]})[0][0]

    np.testing.assert_array_equal(again, framed)
    np.testing.assert_array_equal(frame_image(framed, framing), framed)


def test_an_image_without_pixels_is_an_error_and_not_the_end_of_the_process():
    options = onnxruntime.RunOptions()
    options.log_severity_level = 4
    session = framing_session(Framing(size=(16, 16)))

    with pytest.raises(Exception, match="Resize"):
        session.run(None, {"images": np.zeros((1, 0, 7, 3), np.uint8)}, options)
