"""The few building blocks that vidi's networks are made of; each has one translation in `to_onnx.py`."""

from torch import Tensor, nn
from torch.nn import functional


class ConvNorm(nn.Module):
    """3x3 convolution, optional 2x2 max pooling, batch normalisation, ReLU.

    The normalisation's scale stays 1 (what follows can scale as it likes), so it commutes with the max pooling and
    the model file can fold it into the convolution; and normalising after the pool costs a quarter.
    """

    def __init__(self, channels_in: int, channels_out: int, *, pool: bool = False) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.pool = pool
        self.norm = nn.BatchNorm2d(channels_out)
        self.norm.weight.requires_grad_(False)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, channels_in, height, width) to (batch, channels_out, …), halved where it pools."""
        outputs = self.convolution(inputs)
        if self.pool:
            outputs = functional.max_pool2d(outputs, 2)
        normalised: Tensor = self.norm(outputs)
        return functional.relu(normalised)


class FoldBlocks(nn.Module):
    """Blocks of pixels become channels, so that no pixel is lost and the convolutions get a smaller, deeper map.

    A size that the block does not divide gets zeros (the training images' mean colour) at the right and the bottom.
    """

    def __init__(self, block: int) -> None:
        super().__init__()
        self.block = block  # pixels a side

    def padding(self, size: tuple[int, int]) -> tuple[int, int]:
        """(rows, columns) of zeros that an image of that (height, width) gets."""
        return -size[0] % self.block, -size[1] % self.block

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, 3, height, width) to (batch, 3 * block * block, rows, columns)."""
        bottom, right = self.padding((inputs.shape[2], inputs.shape[3]))
        if bottom or right:
            inputs = functional.pad(inputs, (0, right, 0, bottom))
        return functional.pixel_unshuffle(inputs, self.block)


class Residual(nn.Module):
    """What the body adds to what came in."""

    def __init__(self, body: nn.Sequential) -> None:
        super().__init__()
        self.body = body

    def forward(self, inputs: Tensor) -> Tensor:
        """The same shape as `inputs`."""
        outputs: Tensor = inputs + self.body(inputs)
        return outputs


class GlobalMean(nn.Module):
    """The mean over all regions: (batch, channels, rows, columns) to (batch, channels)."""

    def forward(self, inputs: Tensor) -> Tensor:
        """One number for each channel."""
        return inputs.mean(dim=(2, 3))


class Classifier(nn.Module):
    """Layers up to the embedding, then one linear head."""

    def __init__(self, layers: nn.Sequential, head: nn.Linear) -> None:
        super().__init__()
        self.layers = layers
        self.head = head

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalised inputs (batch, 3, height, width) to logits (batch, classes)."""
        logits: Tensor = self.head(self.embed(inputs))
        return logits

    def embed(self, inputs: Tensor) -> Tensor:
        """Normalised inputs (batch, 3, height, width) to embeddings (batch, features)."""
        embeddings: Tensor = self.layers(inputs)
        return embeddings
