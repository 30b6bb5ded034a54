"""The textbook network in torch as it comes: float32, planes one after the other in memory, the allocator as it is.

Rescale, flip, rotate, six blocks of convolution, ReLU and max pooling, flatten, dense; Adam, batch 32, 50 epochs,
256 x 256 pixels; images stay decoded in memory.
"""

import math
import tempfile
import time
from pathlib import Path

import torch
from answer import answer, ask, scored
from torch import nn
from torch.nn import functional

from images import read_images

FILTERS = (32, 64, 64, 64, 64, 64)


def network(size: int, class_count: int) -> nn.Sequential:
    """As every introduction writes it."""
    layers: list[nn.Module] = []
    channels, side = 3, size
    for count in FILTERS:
        if (side - 2) // 2 < 1:
            break
        layers += [nn.Conv2d(channels, count, 3), nn.ReLU(), nn.MaxPool2d(2)]
        channels, side = count, (side - 2) // 2
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(channels * side * side, 64), nn.ReLU(), nn.Linear(64, class_count)
    )


def augment(batch: torch.Tensor) -> torch.Tensor:
    """Flip both ways, turn by up to 72 degrees, reflected at the edges."""
    angle = (2 * torch.rand(len(batch)) - 1) * math.radians(72)
    across, along = (1 - 2 * (torch.rand(len(batch)) < 0.5).float() for _ in range(2))
    cosine, sine, none = angle.cos(), angle.sin(), torch.zeros(len(batch))
    rows = torch.stack([across * cosine, -along * sine, none, across * sine, along * cosine, none], dim=1)
    grid = functional.affine_grid(rows.view(-1, 2, 3), list(batch.shape), align_corners=False)
    return functional.grid_sample(batch, grid, padding_mode="reflection", align_corners=False)


def main() -> None:
    asked = ask(__doc__, size=256, epochs=50, batch=32)
    torch.manual_seed(asked.seed)
    learnt = read_images(asked.source, [asked.train], size=asked.size, only=asked.classes)
    images, labels = torch.from_numpy(learnt.images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(learnt.labels)
    model = network(images.shape[2], len(learnt.classes))
    optimizer = torch.optim.Adam(model.parameters())
    per_epoch = math.ceil(len(images) / asked.batch)
    epochs = 1 + math.ceil(asked.steps / per_epoch) if asked.steps else int(asked.epochs)
    ends = []
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(len(images)).split(asked.batch):
            loss = functional.cross_entropy(model(augment(images[rows].float() / 255)), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        ends.append(time.perf_counter())
    figures: dict[str, object] = {"size": images.shape[2], "images_per_second": None}
    if len(ends) > 1:
        figures["images_per_second"] = round(len(images) * (len(ends) - 1) / (ends[-1] - ends[0]), 2)
    if not asked.steps:
        with tempfile.TemporaryDirectory() as folder:
            torch.save(model.state_dict(), asked.model or Path(folder) / "model.pt")
        held = read_images(asked.source, asked.test, size=asked.size, only=asked.classes)
        model.eval()
        with torch.inference_mode():
            tests = torch.from_numpy(held.images).permute(0, 3, 1, 2)
            predicted = torch.cat([model(part.float() / 255).argmax(dim=1) for part in tests.split(64)])
        figures |= scored(int((predicted.numpy() == held.labels).sum()), len(held.labels))
    answer("torch textbook", asked, ("torch",), figures)


if __name__ == "__main__":
    main()
