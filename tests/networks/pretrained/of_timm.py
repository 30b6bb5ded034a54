"""EfficientNet-Lite, MobileNetV4 and DINOv2 as timm names their layers: what vidi's own are compared with."""

import math
import re

import torch
from torch import Tensor
from torch.nn import functional

LITE = (
    ("ds", 1, 3, 1, 1, 16),
    ("ir", 2, 3, 2, 6, 24),
    ("ir", 2, 5, 2, 6, 40),
    ("ir", 3, 3, 2, 6, 80),
    ("ir", 3, 5, 1, 6, 112),
    ("ir", 4, 5, 2, 6, 192),
    ("ir", 1, 3, 1, 6, 320),
)  # kind, blocks, kernel, stride, expansion, channels
MOBILE = {
    "mobilenetv4-small": (
        ("cn_r1_k3_s2_e1_c32", "cn_r1_k1_s1_e1_c32"),
        ("cn_r1_k3_s2_e1_c96", "cn_r1_k1_s1_e1_c64"),
        ("uir_r1_a5_k5_s2_e3_c96", "uir_r4_a0_k3_s1_e2_c96", "uir_r1_a3_k0_s1_e4_c96"),
        (
            "uir_r1_a3_k3_s2_e6_c128",
            "uir_r1_a5_k5_s1_e4_c128",
            "uir_r1_a0_k5_s1_e4_c128",
            "uir_r1_a0_k5_s1_e3_c128",
            "uir_r2_a0_k3_s1_e4_c128",
        ),
        ("cn_r1_k1_s1_e1_c960",),
    ),
    "mobilenetv4-medium": (
        ("er_r1_k3_s2_e4_c48",),
        ("uir_r1_a3_k5_s2_e4_c80", "uir_r1_a3_k3_s1_e2_c80"),
        (
            "uir_r1_a3_k5_s2_e6_c160",
            "uir_r2_a3_k3_s1_e4_c160",
            "uir_r1_a3_k5_s1_e4_c160",
            "uir_r1_a3_k3_s1_e4_c160",
            "uir_r1_a3_k0_s1_e4_c160",
            "uir_r1_a0_k0_s1_e2_c160",
            "uir_r1_a3_k0_s1_e4_c160",
        ),
        (
            "uir_r1_a5_k5_s2_e6_c256",
            "uir_r1_a5_k5_s1_e4_c256",
            "uir_r2_a3_k5_s1_e4_c256",
            "uir_r1_a0_k0_s1_e4_c256",
            "uir_r1_a3_k0_s1_e4_c256",
            "uir_r1_a3_k5_s1_e2_c256",
            "uir_r1_a5_k5_s1_e4_c256",
            "uir_r2_a0_k0_s1_e4_c256",
            "uir_r1_a5_k0_s1_e2_c256",
        ),
        ("cn_r1_k1_s1_e1_c960",),
    ),
}


class Made:
    """Tensors under timm's names, drawn as they are first asked for, and the network that they make."""

    def __init__(self, *, epsilon: float, same: bool) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.random = torch.Generator().manual_seed(7)
        self.epsilon, self.same = epsilon, same

    def draw(self, name: str, shape: tuple[int, ...], *, low: float = -1.0, high: float = 1.0) -> Tensor:
        if name not in self.tensors:
            self.tensors[name] = low + (high - low) * torch.rand(shape, generator=self.random)
        return self.tensors[name]

    def convolve(self, value: Tensor, name: str, *, out: int, kernel: int, stride: int = 1, groups: int = 1) -> Tensor:
        inside = value.shape[1] // groups
        limit = (3 / (inside * kernel**2)) ** 0.5
        weight = self.draw(f"{name}.weight", (out, inside, kernel, kernel), low=-limit, high=limit)
        if self.same and stride > 1:  # as TensorFlow: what is missing goes to the right and the bottom
            missing = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in value.shape[2:]]
            (top, left), padding = (one // 2 for one in missing), 0
            value = functional.pad(value, (left, missing[1] - left, top, missing[0] - top))
        else:
            padding = kernel // 2
        return functional.conv2d(value, weight, stride=stride, padding=padding, groups=groups)

    def normalise(self, value: Tensor, name: str) -> Tensor:
        shape = (value.shape[1],)
        mean, variance = (
            self.draw(f"{name}.running_mean", shape),
            self.draw(f"{name}.running_var", shape, low=0.5, high=2.0),
        )
        weight, bias = self.draw(f"{name}.weight", shape, low=0.5, high=1.5), self.draw(f"{name}.bias", shape)
        return functional.batch_norm(value, mean, variance, weight, bias, eps=self.epsilon)


def lite(name: str, inputs: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """The tensors of `lite3` or `lite4`, and the features (batch, 1280) that they give."""
    width, depth = {"lite3": (1.2, 1.4), "lite4": (1.4, 1.8)}[name]
    made = Made(epsilon=1e-3, same=True)

    def wide(count: int) -> int:
        rounded = max(8, int(count * width + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * count * width else rounded

    value = functional.relu6(made.normalise(made.convolve(inputs, "conv_stem", out=32, kernel=3, stride=2), "bn1"))
    for stage, (kind, blocks, kernel, stride, expansion, channels) in enumerate(LITE):
        repeats = blocks if stage in (0, 6) else math.ceil(blocks * depth)
        for block in range(repeats):
            at, given, step = f"blocks.{stage}.{block}", value, stride if block == 0 else 1
            convolutions = [("conv_dw", None, kernel), ("conv_pw", wide(channels), 1)]
            if kind == "ir":
                inner = value.shape[1] * expansion
                convolutions = [("conv_pw", inner, 1), ("conv_dw", None, kernel), ("conv_pwl", wide(channels), 1)]
            for number, (what, out, size) in enumerate(convolutions, start=1):
                groups = value.shape[1] if out is None else 1
                value = made.convolve(
                    value,
                    f"{at}.{what}",
                    out=out or value.shape[1],
                    kernel=size,
                    stride=step if out is None else 1,
                    groups=groups,
                )
                value = made.normalise(value, f"{at}.bn{number}")
                value = functional.relu6(value) if number < len(convolutions) else value
            value = value + given if given.shape == value.shape else value
    value = functional.relu6(made.normalise(made.convolve(value, "conv_head", out=1280, kernel=1), "bn2"))
    made.draw("classifier.weight", (1000, 1280)), made.draw("classifier.bias", (1000,))
    return made.tensors, value.mean((2, 3))


def mobile(name: str, inputs: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """The tensors of a MobileNetV4, and the features (batch, 960) that they give before the dense layer."""
    made = Made(epsilon=1e-5, same=False)
    value = torch.relu(made.normalise(made.convolve(inputs, "conv_stem", out=32, kernel=3, stride=2), "bn1"))
    for stage, words in enumerate(MOBILE[name]):
        block = 0
        for word in words:
            kind, repeats, *numbers = re.fullmatch(
                r"(cn|er|uir)_r(\d)(?:_a(\d))?_k(\d)_s(\d)_e(\d)_c(\d+)", word
            ).groups()
            before, kernel, stride, expansion, channels = (int(number or 0) for number in numbers)
            for index in range(int(repeats)):
                value = _block(made, value, f"blocks.{stage}.{block}", kind, before, kernel,
                               stride if index == 0 else 1, expansion, channels)  # fmt: skip
                block += 1
    features = value.mean((2, 3))
    made.draw("conv_head.weight", (1280, 960, 1, 1))
    made.normalise(torch.zeros(1, 1280, 1, 1), "norm_head")
    made.draw("classifier.weight", (1000, 1280)), made.draw("classifier.bias", (1000,))
    return made.tensors, features


def dinov2(inputs: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """The tensors of DINOv2's ViT-S/14, and the mean patch beside the class token (batch, 768)."""
    made = Made(epsilon=1e-6, same=False)

    def dense(value: Tensor, name: str, out: int) -> Tensor:
        limit = (3 / value.shape[-1]) ** 0.5
        weight = made.draw(f"{name}.weight", (out, value.shape[-1]), low=-limit, high=limit)
        return functional.linear(value, weight, made.draw(f"{name}.bias", (out,)))

    def normal(value: Tensor, name: str) -> Tensor:
        weight, bias = made.draw(f"{name}.weight", (384,), low=0.5, high=1.5), made.draw(f"{name}.bias", (384,))
        return functional.layer_norm(value, (384,), weight, bias, 1e-6)

    token, places = made.draw("cls_token", (1, 1, 384)), made.draw("pos_embed", (1, 1370, 384))
    kernel = made.draw("patch_embed.proj.weight", (384, 3, 14, 14), low=-0.07, high=0.07)
    patches = functional.conv2d(inputs, kernel, made.draw("patch_embed.proj.bias", (384,)), stride=14)
    grid = patches.shape[2:]
    square = places[:, 1:].reshape(1, 37, 37, 384).permute(0, 3, 1, 2)
    resized = functional.interpolate(square, grid, mode="bicubic", antialias=True).permute(0, 2, 3, 1)
    table = torch.cat([places[:, :1], resized.reshape(1, -1, 384)], dim=1)
    value = torch.cat([token.expand(len(inputs), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1) + table
    for number in range(12):
        at = f"blocks.{number}"
        qkv = dense(normal(value, f"{at}.norm1"), f"{at}.attn.qkv", 1152)
        queries, keys, values = qkv.reshape(len(value), -1, 3, 6, 64).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(queries, keys, values).transpose(1, 2).reshape(value.shape)
        value = value + made.draw(f"{at}.ls1.gamma", (384,)) * dense(seen, f"{at}.attn.proj", 384)
        inner = functional.gelu(dense(normal(value, f"{at}.norm2"), f"{at}.mlp.fc1", 1536))
        value = value + made.draw(f"{at}.ls2.gamma", (384,)) * dense(inner, f"{at}.mlp.fc2", 384)
    value = normal(value, "norm")
    return made.tensors, torch.cat([value[:, 1:].mean(dim=1), value[:, 0]], dim=1)


def _block(made, value, at, kind, before, kernel, stride, expansion, channels) -> Tensor:  # noqa: PLR0917
    given, inner = value, value.shape[1] * expansion
    if kind == "cn":
        value = made.convolve(value, f"{at}.conv", out=channels, kernel=kernel, stride=stride)
        return torch.relu(made.normalise(value, f"{at}.bn1"))
    if kind == "er":
        value = made.convolve(value, f"{at}.conv_exp", out=inner, kernel=kernel, stride=stride)
        value = torch.relu(made.normalise(value, f"{at}.bn1"))
        return made.normalise(made.convolve(value, f"{at}.conv_pwl", out=channels, kernel=1), f"{at}.bn2")

    def step(value: Tensor, part: str, out: int, size: int, *, stride: int = 1, groups: int = 1) -> Tensor:
        value = made.convolve(value, f"{at}.{part}.conv", out=out, kernel=size, stride=stride, groups=groups)
        return made.normalise(value, f"{at}.{part}.bn")

    if before:
        value = step(value, "dw_start", value.shape[1], before, stride=1 if kernel else stride, groups=value.shape[1])
    value = torch.relu(step(value, "pw_exp", inner, 1))
    if kernel:
        value = torch.relu(step(value, "dw_mid", inner, kernel, stride=stride, groups=inner))
    value = step(value, "pw_proj", channels, 1)
    return value + given if stride == 1 and given.shape == value.shape else value
