"""Stands in for timm: the few functions that vidi calls, and networks with what timm's have and vidi's own have not."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Convolutional(nn.Module):
    """Squeeze-and-excite, GELU, layer normalisation, and a table that no file of weights holds."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16)
        self.reduce, self.expand = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.last = nn.LayerNorm(16)
        self.scale = nn.Parameter(torch.full((16,), 0.5))
        self.register_buffer("table", torch.linspace(0.5, 1.5, 16), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        value = functional.gelu(self.norm(self.stem(inputs)))
        gate = self.expand(functional.silu(self.reduce(value.mean((2, 3), keepdim=True)))).sigmoid()
        return self.last((value * gate).mean((2, 3)) * self.table) * self.scale


class Token(nn.Module):
    """A class token that is repeated for every image, and a size of its own."""

    @staticmethod
    def count(inputs: Tensor) -> int:
        return inputs.shape[0]

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 16, 16)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.shape[-1] != 32:
            raise AssertionError("input size must be 32")
        patches = self.patch(inputs).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(self.count(inputs), -1, -1), patches], dim=1)
        return (tokens @ tokens.transpose(1, 2)).softmax(-1)[:, 0]


class Counted(Token):
    """Its number of images is fixed when it is traced."""

    @staticmethod
    def count(inputs: Tensor) -> int:
        return len(inputs)


NETWORKS = {"small": Convolutional, "token": Token, "counted": Counted, "odd": Convolutional, "far": Convolutional}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "input_size": (3, 32, 32)}
ABOUT = {
    "small": {**IMAGENET, "license": "apache-2.0"},
    "token": IMAGENET,
    "counted": IMAGENET,
    "odd": {**IMAGENET, "mean": (0.1, 0.1, 0.1)},
    "far": IMAGENET,
}


def is_model(name: str) -> bool:
    return name in NETWORKS


def create_model(name: str, *, pretrained: bool, num_classes: int) -> nn.Module:
    network, _, tag = name.partition(".")
    assert num_classes == 0
    if tag not in ("", "made"):
        raise RuntimeError(f"Invalid pretrained tag ({tag}) for {network}.")
    if pretrained and network == "far":
        raise ConnectionError("no way there")
    body = NETWORKS[network]()
    if pretrained:
        random = torch.Generator().manual_seed(5)
        for parameter in body.parameters():
            parameter.data.normal_(0, 0.3, generator=random)
    body.pretrained_cfg = ABOUT[network]
    return body
