"""DINOv2-small: a vision transformer that learned from photographs without labels; its weights come from the hub."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from vidi.networks.layers import Classifier, GlobalMean
from vidi.networks.options import NetworkOptions
from vidi.networks.published import refuse_small

PATCH, WIDTH, HEADS, DEPTH = 14, 384, 6, 12
LEARNED_GRID = 37  # patches a side of the images that it learned from
EPSILON = 1e-6
MOST_PIXELS = 160 * 160  # of an image; larger ones are halved, for the work grows faster than their area


class Scale(nn.Module):
    """Each feature times a number of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(WIDTH))

    def forward(self, inputs: Tensor) -> Tensor:
        """(…, features) to the same shape."""
        return inputs * self.gamma


class Attention(nn.Module):
    """Each token gathers from all what they offer, head by head."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, tokens, features) to the same shape."""
        batch, count, _ = inputs.shape
        parts = self.qkv(inputs).view(batch, count, 3 * HEADS, -1).transpose(1, 2)
        queries, keys, values = parts.split(HEADS, dim=1)
        weights = (queries @ keys.transpose(2, 3) * (WIDTH // HEADS) ** -0.5).softmax(dim=3)
        gathered: Tensor = self.proj((weights @ values).transpose(1, 2).reshape(batch, count, WIDTH))
        return gathered


class Dense(nn.Module):
    """Two dense layers for each token, GELU between them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, tokens, features) to the same shape."""
        outputs: Tensor = self.fc2(functional.gelu(self.fc1(inputs)))
        return outputs


class Layer(nn.Module):
    """Attention, then two dense layers for each token; both are added to what came in. Named as timm does."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, eps=EPSILON), nn.LayerNorm(WIDTH, eps=EPSILON)
        self.attn, self.ls1, self.ls2 = Attention(), Scale(), Scale()
        self.mlp = Dense()

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, tokens, features) to the same shape."""
        inputs = inputs + self.ls1(self.attn(self.norm1(inputs)))
        outputs: Tensor = inputs + self.ls2(self.mlp(self.norm2(inputs)))
        return outputs


class VisionTransformer(nn.Module):
    """The map of the patches' features, each beside those of the class token: its mean is the mean patch and the token.

    So a head on the mean has evidence for each region. Tensors are named as timm names them.
    """

    def __init__(self, grid: tuple[int, int]) -> None:
        """Args: grid: (rows, columns) of patches."""
        super().__init__()
        self.grid = grid
        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)))
        self.cls_token = nn.Parameter(torch.empty(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + LEARNED_GRID**2, WIDTH))
        self.blocks = nn.Sequential(*[Layer() for _ in range(DEPTH)])
        self.norm = nn.LayerNorm(WIDTH, eps=EPSILON)

    def places(self) -> Tensor:
        """(1, 1 + patches, features): what is added to an empty token and the patches; the token itself among it."""
        learned = self.pos_embed[:, 1:].transpose(1, 2).view(1, WIDTH, LEARNED_GRID, LEARNED_GRID)
        resized = functional.interpolate(learned, self.grid, mode="bicubic", antialias=True, align_corners=False)
        return torch.cat([self.cls_token + self.pos_embed[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, 3, height, width) to (batch, 768, rows, columns)."""
        tokens = functional.pad(self.patch_embed(inputs).flatten(2).transpose(1, 2), (0, 0, 1, 0)) + self.places()
        tokens = self.norm(self.blocks(tokens))
        patches = tokens[:, 1:].transpose(1, 2).unflatten(2, self.grid)
        return torch.cat([patches, tokens[:, 0, :, None, None].expand(-1, -1, *self.grid)], dim=1)


def dinov2_small(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """DINOv2 ViT-S/14: 22 million weights; images of any size from 32 pixels on, the larger ones halved."""
    options.refuse_others("dinov2-small")
    refuse_small("dinov2-small", image_size)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    height, width = image_size
    while height * width > MOST_PIXELS:
        layers[f"halved{len(layers)}"] = nn.AvgPool2d(2)
        height, width = height // 2, width // 2
    layers["vit"] = VisionTransformer((height // PATCH, width // PATCH))
    layers["mean"] = GlobalMean()
    return Classifier(nn.Sequential(layers), nn.Linear(2 * WIDTH, class_count))
