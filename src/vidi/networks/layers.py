"""The building blocks of the networks, each with one translation in `to_onnx.py`; a network's work; grey vision."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.flop_counter import FlopCounterMode

Activation = Literal["relu", "relu6", "gelu", "none"]


ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "relu6": functional.relu6,
    "gelu": functional.gelu,
    "none": lambda values: values,
}


def convolution(
    channels_in: int, channels_out: int, *, kernel: int = 3, stride: int = 1, groups: int = 1, padded: bool = True
) -> nn.Conv2d:
    """A convolution without a bias, whose weights are still to be filled.

    Args:
        kernel: pixels a side.
        stride: pixels between two places that are looked at.
        groups: parts into which the channels fall; `channels_in` of them make it depthwise.
        padded: half the kernel of zeros on each side; else none.
    """
    padding = kernel // 2 if padded else 0
    return nn.Conv2d(channels_in, channels_out, kernel, stride=stride, padding=padding, groups=groups, bias=False)


class ConvNorm(nn.Module):
    """Convolution, optional 2x2 max pooling, batch normalisation, and an activation.

    Without `scaled` the normalisation's scale stays 1 (what follows can scale as it likes), so it commutes with the
    max pooling and the model file can fold it into the convolution; and normalising after the pool costs a quarter.
    """

    def __init__(
        self,
        convolution: nn.Conv2d,
        *,
        pads: tuple[int, int] | None = None,
        pool: bool = False,
        activation: Activation = "relu",
        scaled: bool = False,
        epsilon: float = 1e-5,
    ) -> None:
        """A layer around a convolution.

        Args:
            convolution: without a bias.
            pads: pixels of zeros (top and left, bottom and right) before a convolution that is not padded; None: it is.
            pool: halve the map by 2x2 max pooling before the normalisation.
            scaled: whether the normalisation has a scale that is trained; not together with `pool`.
            epsilon: added to the variance.
        """
        super().__init__()
        self.convolution = convolution
        self.pads = pads or (convolution.kernel_size[0] // 2,) * 2
        self.pool = pool
        self.norm = nn.BatchNorm2d(convolution.out_channels, eps=epsilon)
        self.norm.weight.requires_grad_(scaled)
        self.activation = activation

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, channels_in, height, width) to (batch, channels_out, …), smaller where it strides or pools."""
        before, after = self.pads
        if before != after:
            inputs = functional.pad(inputs, (before, after, before, after))
        outputs = self.convolution(inputs)
        if self.pool:
            outputs = functional.max_pool2d(outputs, 2)
        return ACTIVATIONS[self.activation](self.norm(outputs))


class Residual(nn.Module):
    """What the body adds to what came in."""

    def __init__(
        self, body: nn.Sequential, *, shortcut: ConvNorm | None = None, activation: Activation = "none"
    ) -> None:
        """A body beside a way past it.

        Args:
            shortcut: what makes the shapes agree where the body changes them; None: what came in as it is.
        """
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.activation = activation

    def forward(self, inputs: Tensor) -> Tensor:
        """The shape that the body gives; without a shortcut that of `inputs`."""
        passed = inputs if self.shortcut is None else self.shortcut(inputs)
        return ACTIVATIONS[self.activation](passed + self.body(inputs))


class GlobalMean(nn.Module):
    """The mean over all regions: (batch, channels, rows, columns) to (batch, channels)."""

    def forward(self, inputs: Tensor) -> Tensor:
        """One number for each channel."""
        return inputs.mean(dim=(2, 3))


class GridMean(nn.Module):
    """The means over a grid of regions, so that a map of any size becomes one of a given size.

    The regions divide the map as evenly as whole pixels allow; they share pixels where they must, and where the map
    is smaller than the grid, pixels are repeated.
    """

    def __init__(self, *, incoming: tuple[int, int], grid: tuple[int, int]) -> None:
        """From a map of (rows, columns) to one of (rows, columns)."""
        super().__init__()
        self.incoming = incoming
        self.grid = grid

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, channels, rows, columns) to (batch, channels, *grid)."""
        return functional.adaptive_avg_pool2d(inputs, self.grid)

    def shares(self) -> Tensor:
        """(pixels of the incoming map, regions): how much of each pixel is in each region's mean."""
        pixels = self.incoming[0] * self.incoming[1]
        each_alone = torch.eye(pixels).view(pixels, 1, *self.incoming)
        return functional.adaptive_avg_pool2d(each_alone, self.grid).view(pixels, -1)


class MirrorPad(nn.Module):
    """The image continued by its mirror image on every side, so that its edges look like any other place."""

    def __init__(self, pixels: int) -> None:
        """As many pixels on each side."""
        super().__init__()
        self.pixels = pixels

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, channels, height, width) to as much more on each side."""
        return functional.pad(inputs, (self.pixels,) * 4, mode="reflect")


class Inner(nn.Module):
    """A map without its outermost places."""

    def __init__(self, places: int) -> None:
        """As many places are cut off on each side."""
        super().__init__()
        self.places = places

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, channels, rows, columns) to as much less on each side."""
        cut = slice(self.places, -self.places)
        return inputs[:, :, cut, cut]


class Parallel(nn.Module):
    """Networks that see the same images; their maps, of one size, stand side by side, channel by channel."""

    def __init__(self, parts: Sequence[nn.Sequential]) -> None:
        """Two or more parts, in the order of their channels."""
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, channels_in, height, width) to (batch, channels of all parts, rows, columns)."""
        return torch.cat([part(inputs) for part in self.parts], dim=1)


class ConcatenateMaps(nn.Sequential):
    """Layers in a row; the maps of some join the last map, channel by channel: before the mean over the regions where
    there is one, else at the end.
    """

    def __init__(self, layers: Sequence[nn.Module], *, joined: Sequence[int], scale: float) -> None:
        """Layers whose last map is joined by others.

        Args:
            layers: in order; those that are joined give maps of the last map's size. The last may be a `GlobalMean`.
            scale: what their maps are multiplied by.
        """
        super().__init__(*layers)
        self.joined = tuple(joined)
        self.scale = scale

    def forward(self, input: Tensor) -> Tensor:
        """(batch, channels_in, height, width) to (batch, features), or to a map without a `GlobalMean`."""
        value, maps = input, list[Tensor]()
        for number, layer in enumerate(self):
            if isinstance(layer, GlobalMean):
                break
            value = layer(value)
            if number in self.joined:
                maps.append(value)
        value = torch.cat([value, *(self.scale * one for one in maps)], dim=1)
        last: nn.Module = self[-1]
        return last(value) if isinstance(last, GlobalMean) else value


class Classifier(nn.Module):
    """Layers up to the embedding, then one linear head."""

    def __init__(self, layers: nn.Sequential, head: nn.Linear) -> None:
        super().__init__()
        self.layers = layers
        self.head = head
        self.both_ways = False  # whether the embedding is the mean of the image's and its mirror image's

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalised inputs (batch, 3, height, width) to logits (batch, classes)."""
        logits: Tensor = self.head(self.embed(inputs))
        return logits

    def embed(self, inputs: Tensor) -> Tensor:
        """Normalised inputs (batch, 3, height, width) to embeddings (batch, features)."""
        embeddings: Tensor = self.layers(inputs)
        if self.both_ways:
            embeddings = (embeddings + self.layers(inputs.flip(3))) / 2
        return embeddings


def folded(network: Classifier) -> Classifier:
    """A copy that gives the same answers with less work; it can no longer be trained."""
    answering = copy.deepcopy(network).eval().requires_grad_(False)
    for module in answering.modules():
        if isinstance(module, ConvNorm):
            module.convolution = fuse_conv_bn_eval(module.convolution, module.norm)
            module.norm = nn.Identity()  # type: ignore[assignment]
    return answering


LUMA = (0.299, 0.587, 0.114)  # red, green, blue; ITU-R BT.601, as in every conversion to grey


def average_colour_filters(network: Classifier) -> None:
    """Change the first layer so that a colour image gives what its grey version would.

    On grey images, whose three channels are equal, a layer's answer depends only on the sum of its weights over the
    channels; how that sum is shared among red, green and blue is what chance left there, and a colour photograph
    would bring it to light. Shared by brightness, the answers for grey images stay as they are.

    Args:
        network: its normalisation has equal numbers for the three channels; changed in place.
    """
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear))
    with torch.no_grad():
        # Red first, then green, then blue, both in patches and after `Flatten`.
        weights = first.weight.view(first.weight.shape[0], 3, -1)
        shares = torch.tensor(LUMA).view(1, 3, 1)
        weights.copy_(weights.sum(dim=1, keepdim=True) * shares)


def operations_of(network: Classifier, image_size: tuple[int, int]) -> int:
    """Nominal floating-point operations of one image on its way forward: products and sums, padding included.

    Args:
        network: put into evaluation mode; its shapes are enough, as `design_network` gives them.
        image_size: (height, width), pixels.
    """
    network.eval()
    example = torch.zeros(1, 3, *image_size, device=network.head.weight.device)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(example)
    return int(counter.get_total_flops())
