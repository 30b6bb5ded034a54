"""A network for people: its layers with pictures, a drawing, and what the words mean; also as a page of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from vidi.figures.network import Slab, draw_network
from vidi.files import write_whole
from vidi.metrics.outputs import SOFTMAX, Outputs
from vidi.model_file.read import ModelFile
from vidi.report.layers import Layer
from vidi.report.pages.render import render_page, rounded
from vidi.report.pictures.layers import ShownLayer, fold_layers, show_layers
from vidi.report.words.layers import words_needed

DRAWN_AS = {"convolution": "convolution", "depthwise": "convolution", "pointwise": "convolution", "dense": "dense"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownNetwork:
    """A network as a page shows it."""

    layers: tuple[ShownLayer, ...]
    runs: tuple[tuple[bool, tuple[ShownLayer, ...]], ...]  # the same: whether they stand open, and which
    drawing: Markup
    words: tuple[str, ...]  # what the words mean that stand there
    image_size: tuple[int, int]  # (height, width), pixels
    class_count: int
    parameter_count: int
    work: str  # multiply-adds for one image, in words
    is_calibrated: bool  # whether something stands between the last layer and softmax
    outputs: Outputs = SOFTMAX


def show_network(
    layers: Sequence[Layer],
    *,
    image_size: tuple[int, int],
    class_count: int,
    is_calibrated: bool = False,
    outputs: Outputs = SOFTMAX,
    with_filters: bool = True,
) -> ShownNetwork:
    """What a page shows of a network.

    Args:
        layers: from `vidi.report.layers`.
        image_size: (height, width) of what it sees, pixels.
        class_count: how many it tells apart.
        is_calibrated: whether its logits are calibrated.
        outputs: of the model.
        with_filters: False leaves the first layer's filters out.
    """
    work = sum(layer.multiply_adds for layer in layers)
    slabs = [Slab("image", (3, *image_size)), *(Slab(DRAWN_AS.get(one.kind, "other"), one.shape) for one in layers)]
    drawing = draw_network(
        slabs,
        name="network-drawing",
        title="The network, drawn",
        description=f"An image of {image_size[0]} × {image_size[1]} pixels, then {len(layers)} layers: "
        f"{'; '.join(dict.fromkeys(layer.shape_text for layer in layers))}.",
    )
    shown = show_layers(layers, with_filters=with_filters)
    return ShownNetwork(
        layers=shown,
        runs=fold_layers(shown),
        drawing=Markup(drawing),  # noqa: S704  # drawn by ourselves: numbers, and texts that were escaped
        words=words_needed([layer.kind for layer in layers], [one for layer in layers for one in layer.operators]),
        image_size=image_size,
        class_count=class_count,
        parameter_count=sum(layer.parameter_count for layer in layers),
        work=rounded(work),
        is_calibrated=is_calibrated,
        outputs=outputs,
    )


def show_model(model: ModelFile, layers: Sequence[Layer], *, with_filters: bool = True) -> ShownNetwork:
    """What a page shows of a model file's network.

    Args:
        model: the file.
        layers: its own, from `describe_layers`.
        with_filters: False leaves the first layer's filters out, which may show what all training images have.
    """
    calibration = model.metadata.calibration
    return show_network(
        layers,
        image_size=model.metadata.framing.size,
        class_count=len(model.metadata.classes),
        is_calibrated=calibration is not None and calibration.method != "none",
        outputs=model.metadata.outputs,
        with_filters=with_filters,
    )


def write_network_page(path: Path, network: ShownNetwork, *, name: str) -> None:
    """Write the page of a network.

    Args:
        path: the HTML file.
        network: what it shows.
        name: what the network is called.

    Raises:
        MissingPackageError: jinja2 is not installed.
        ResourceError: the page cannot be written.
    """
    write_whole(path, render_page("network.html", {"network": network, "name": name}))
