"""The published CIFAR-10 recipe "airbench94", written again in plain torch from its description.

Source: Jordan 2024, 94 % on CIFAR-10 in 3.29 seconds on a single GPU. What it is made of: a frozen 2 x 2 convolution
that whitens patches; three groups of two convolutions that begin as the identity; GELU; normalisations without scale
whose biases learn 64 times as fast; label smoothing; a triangular learning rate; Nesterov momentum with the rates
decoupled from it; a look-ahead mean of the weights; flips that alternate between epochs; shifts by two pixels; six
views of each test image.

It runs as torch comes: float32, planes, no setting touched. `--variant bf16` multiplies in bfloat16 (torch's autocast)
with channels last, `--variant cuda` is float16 on a GPU.
"""

import math
import tempfile
import time
from pathlib import Path

import torch
from answer import answer, ask, scored
from torch import Tensor, nn
from torch.nn import functional

from images import read_images

WIDTHS = (64, 256, 256)
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 11.5, 0.85, 0.0153  # for 1,024 images, per 1,024 / (1 - momentum)
BIAS_FACTOR = 64.0
SMOOTHING = 0.2
WHITENING_EPOCHS = 3  # in which the whitening layer's bias still learns
SHIFT = 2  # pixels
LOGIT_SCALE = 1 / 9
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10's training images


class Group(nn.Module):
    """Two convolutions; the first is followed by 2 x 2 max pooling."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(incoming, outgoing, 3, padding=1, bias=False)
        self.second = nn.Conv2d(outgoing, outgoing, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outgoing, eps=1e-12, momentum=0.4) for _ in range(2))
        for convolution in (self.first, self.second):
            nn.init.dirac_(convolution.weight[: convolution.in_channels].data)
        for norm in self.norms:
            norm.weight.requires_grad_(False)

    def forward(self, values: Tensor) -> Tensor:
        values = functional.gelu(self.norms[0](functional.max_pool2d(self.first(values), 2)))
        return functional.gelu(self.norms[1](self.second(values)))


class Network(nn.Module):
    """Whitening, three groups, the largest of each channel, a linear layer."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.whitening = nn.Conv2d(3, 24, 2)
        self.whitening.weight.requires_grad_(False)
        self.whitening.weight.data[:] = whitening_filters(images)
        nn.init.zeros_(self.whitening.bias)
        incoming = (24, *WIDTHS[:-1])
        self.groups = nn.Sequential(*(Group(a, b) for a, b in zip(incoming, WIDTHS, strict=True)))
        self.head = nn.Linear(WIDTHS[-1], 10, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        values = self.groups(functional.gelu(self.whitening(values)))
        return self.head(functional.max_pool2d(values, 3).flatten(1)) * LOGIT_SCALE


def whitening_filters(images: Tensor) -> Tensor:
    """The main directions of 2 x 2 patches, each divided by how far patches spread along it, and their negatives."""
    patches = functional.unfold(images.float(), 2).transpose(1, 2).reshape(-1, 12)
    variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (directions / (variances + 5e-4).sqrt()).T.flip(0).reshape(12, 3, 2, 2)
    return torch.cat([filters, -filters])


def shifted(images: Tensor) -> Tensor:
    """Each image moved by up to two pixels each way; the edges are reflected."""
    side, count = images.shape[2], len(images)
    padded = functional.pad(images, (SHIFT,) * 4, mode="reflect")
    down, right = (torch.randint(2 * SHIFT + 1, (count, 1), device=images.device) for _ in range(2))
    steps = torch.arange(side, device=images.device)
    rows, columns = (down + steps)[:, None, :, None], (right + steps)[:, None, None, :]
    index = torch.arange(count, device=images.device)[:, None, None, None]
    return padded[index, torch.arange(3, device=images.device)[None, :, None, None], rows, columns]


def epoch_images(images: Tensor, epoch: int) -> Tensor:
    """The epoch's copies: mirrored at random in the first, then in turns, so that each two epochs show both."""
    moved = shifted(images)
    return moved.flip(3) if epoch % 2 else moved


def rate_share(progress: float) -> float:
    """From 0.2 up to 1 at 23 % of the run, down to 0.07 at its end."""
    if progress < 0.23:
        return 0.2 + 0.8 * progress / 0.23
    return 1 + (0.07 - 1) * (progress - 0.23) / 0.77


def new_optimizer(network: Network, batch: int) -> torch.optim.SGD:
    """Two groups: biases of the normalisations, and the rest; weight decay does not grow with the rate."""
    scale = 1024 * (1 + 1 / (1 - MOMENTUM))
    rate, decay = LEARNING_RATE / scale, WEIGHT_DECAY * batch / scale
    trained = [(name, value) for name, value in network.named_parameters() if value.requires_grad]
    groups = [
        {"params": [value for name, value in trained if "norms" in name], "lr": rate * BIAS_FACTOR},
        {"params": [value for name, value in trained if "norms" not in name], "lr": rate},
    ]
    for group in groups:
        group["weight_decay"] = decay / group["lr"]
        group["peak"] = group["lr"]
    return torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)


@torch.no_grad()
def look_ahead(slow: dict[str, Tensor], network: Network, keep: float) -> None:
    """Move the slow weights towards the fast ones, and the fast ones onto them."""
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            slow[name].lerp_(value, 1 - keep)
            value.copy_(slow[name])


def train(
    images: Tensor, labels: Tensor, *, epochs: float, batch: int, steps: int, bf16: bool = False
) -> tuple[Network, list[float]]:
    """The network, and when each step ended."""
    layout = torch.channels_last if bf16 else torch.contiguous_format
    network = Network(images[:5_000]).to(images.device, memory_format=layout)
    if images.dtype == torch.float16:
        network.half()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.float()
    optimizer = new_optimizer(network, batch)
    per_epoch = len(images) // batch
    planned = math.ceil(epochs * per_epoch)
    slow = {name: value.clone() for name, value in network.state_dict().items()}
    is_mirrored = torch.rand(len(images), device=images.device) < 0.5
    mirrored = torch.where(is_mirrored[:, None, None, None], images.flip(3), images)
    step, ends = 0, []
    while step < planned:
        epoch = step // per_epoch
        network.whitening.bias.requires_grad_(epoch < WHITENING_EPOCHS)
        copies, order = epoch_images(mirrored, epoch), torch.randperm(len(images), device=images.device)
        for rows in order[: per_epoch * batch].split(batch):
            network.train()
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = network(copies[rows].contiguous(memory_format=layout))
            loss = functional.cross_entropy(logits.float(), labels[rows], label_smoothing=SMOOTHING, reduction="sum")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate_share(step / planned)
            optimizer.step()
            step += 1
            if step % 5 == 0:
                look_ahead(slow, network, keep=0.95**5 * (step / planned) ** 3)
            ends.append(time.perf_counter())
            if step >= planned or (steps and step >= steps):
                break
        if steps and step >= steps:
            break
    look_ahead(slow, network, keep=1.0)
    return network, ends


def mirror_mean(network: Network, images: Tensor) -> Tensor:
    """The mean over an image and its mirror image."""
    return (network(images) + network(images.flip(3))) / 2


def six_views(network: Network, images: Tensor) -> Tensor:
    """Half from the image, half from two copies moved by a pixel; each with its mirror image."""
    padded = functional.pad(images, (1,) * 4, mode="reflect")
    side = images.shape[2]
    moved = [mirror_mean(network, padded[:, :, start : start + side, start : start + side]) for start in (0, 2)]
    return (mirror_mean(network, images) + (moved[0] + moved[1]) / 2) / 2


def main() -> None:
    asked = ask(__doc__, size=32, epochs=9.9, batch=1024, variants=("cpu", "bf16", "cuda"))
    torch.manual_seed(asked.seed)
    device = "cuda" if asked.variant == "cuda" else "cpu"
    dtype, bf16 = torch.float16 if asked.variant == "cuda" else torch.float32, asked.variant == "bf16"

    def tensors(part: tuple[str, ...]) -> tuple[Tensor, Tensor]:
        read = read_images(asked.source, part, size=asked.size, only=asked.classes)
        values = torch.from_numpy(read.images).to(device).permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(numbers, device=device)[:, None, None] for numbers in (MEAN, STD))
        return ((values - mean) / std).to(dtype), torch.from_numpy(read.labels).to(device)

    images, labels = tensors((asked.train,))
    network, ends = train(images, labels, epochs=asked.epochs, batch=asked.batch, steps=asked.steps, bf16=bf16)
    warm = min(2, len(ends) - 2)
    rate = asked.batch * (len(ends) - 1 - warm) / (ends[-1] - ends[warm])
    figures: dict[str, object] = {"images_per_second": round(rate, 1)}
    if not asked.steps:
        with tempfile.TemporaryDirectory() as folder:
            torch.save(network.state_dict(), asked.model or Path(folder) / "model.pt")
        held, truth = tensors(asked.test)
        network.eval()
        views = {"one view": lambda _, part: network(part), "flip": mirror_mean, "six views": six_views}
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            for name, look in views.items():
                predicted = torch.cat([look(network, part).argmax(dim=1) for part in held.split(500)])
                right = int((predicted == truth).sum())
                figures[name] = scored(right, len(truth))
        figures |= scored(right, len(truth))
    answer("airbench94 in plain torch", asked, ("torch",), figures)


if __name__ == "__main__":
    main()
