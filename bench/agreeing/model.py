"""The bench's own model: verdict limits, novelty, evidence, and answers that are not all certain."""

from pathlib import Path

import numpy as np
from PIL import Image

from bench.agreeing.photographs import LEARNED, cut, scaled
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.train import train

SIZE = (96, 96)  # (height, width) of the network's images


def train_model(folder: Path, *, each: int = 60) -> Path:
    """A head on EfficientNet-Lite0's features, trained on pieces of photographs that another shines through.

    Args:
        folder: exists; the images and the run are written into it.
        each: images of each class.
    """
    random = np.random.default_rng(7)
    for name in LEARNED:
        (folder / "images" / name).mkdir(parents=True)
        for number in range(each):
            other = str(random.choice([one for one in LEARNED if one != name]))
            own, behind = (scaled(cut(one, random), SIZE).astype(np.float64) for one in (name, other))
            weight = random.uniform(0.55, 1)
            mixed = (weight * own + (1 - weight) * behind).round().astype(np.uint8)
            Image.fromarray(mixed).save(folder / "images" / name / f"{number:03}.png")
    request = TrainRequest(
        data=DataRequest(source=str(folder / "images")),
        pretrained="lite0",
        changes={"freeze": True, "image_size": SIZE},
        output=folder / "mixed",
    )
    train(request)
    return folder / "mixed" / "model.onnx"
