"""The published networks as their makers write them, under their names: what vidi's own are compared with."""

import torch
from torch import Tensor, nn

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # channels, blocks, stride


class Bottleneck(nn.Module):
    def __init__(self, channels: int, inner: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, 4 * inner, 1, bias=False), nn.BatchNorm2d(4 * inner)
        self.downsample = None
        if stride > 1 or channels != 4 * inner:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, 4 * inner, 1, stride, bias=False), nn.BatchNorm2d(4 * inner)
            )

    def forward(self, inputs: Tensor) -> Tensor:
        value = torch.relu(self.bn1(self.conv1(inputs)))
        value = torch.relu(self.bn2(self.conv2(value)))
        value = self.bn3(self.conv3(value))
        return torch.relu(value + (inputs if self.downsample is None else self.downsample(inputs)))


class ResNet50(nn.Module):
    """As torchvision and timm name its layers."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        channels = 64
        for number, (inner, blocks, stride) in enumerate(STAGES, start=1):
            made = [
                Bottleneck(channels if i == 0 else 4 * inner, inner, stride if i == 0 else 1) for i in range(blocks)
            ]
            self.add_module(f"layer{number}", nn.Sequential(*made))
            channels = 4 * inner
        self.fc = nn.Linear(channels, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        value = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(inputs))), 3, 2, 1)
        for number in range(1, 5):
            value = self.get_submodule(f"layer{number}")(value)
        return self.fc(value.mean((2, 3)))


class VGG16(nn.Module):
    """As torchvision names its layers; narrower for tests."""

    def __init__(self, classes: int = 1000, *, divisor: int = 1, dense_width: int = 4096) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for sign in [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]:
            if sign == 0:
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(channels, sign // divisor, 3, padding=1), nn.ReLU()]
                channels = sign // divisor
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(49 * channels, dense_width),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(dense_width, dense_width),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(dense_width, classes),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(inputs)).flatten(1))


def small_resnet50_weights(classes: int = 1000) -> dict[str, Tensor]:
    """ResNet50's weights, damped so that an untrained network's answers stay small; lived-in statistics."""
    random = torch.Generator().manual_seed(3)
    with torch.device("meta"):
        shapes = ResNet50(classes).state_dict()
    weights = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(5)
        elif name.endswith("running_var"):
            weights[name] = torch.rand(shape.shape, generator=random) + 0.5
        else:
            weights[name] = 0.05 * torch.randn(shape.shape, generator=random)
    return weights
