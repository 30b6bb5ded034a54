"""What the rivals share: a photograph's bytes as tutorials prepare them, and the five most probable classes as JSON."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (224, 224)  # (height, width), pixels
TOP = 5


def network_input(data: bytes) -> NDArray[np.float32]:
    """Inputs (1, 3, height, width) of a photograph."""
    image = Image.open(io.BytesIO(data)).convert("RGB").resize(SIZE[::-1], Image.Resampling.BILINEAR)
    values = (np.asarray(image, np.float32) / 255 - 0.5) / 0.5
    return values.transpose(2, 0, 1)[None]


def top_classes(logits: NDArray[np.float32]) -> list[dict[str, object]]:
    """The most probable classes of (classes,) logits."""
    powers = np.exp(logits - logits.max())
    probabilities = powers / powers.sum()
    best = np.argsort(probabilities)[::-1][:TOP]
    return [{"class": f"class {index}", "probability": float(probabilities[index])} for index in best]
