"""The traffics on which estimates of accuracy are measured; fixed before any of them was looked at.

All of it is made of test images. Nothing of the estimate was fitted on them, nor on any of these corruptions:
`surrogates.py` holds the others, which served for that, on validation and calibration images.
"""

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.estimating.answered import UNCHANGED, Answered, Corrupt, joined
from vidi.images.corruptions import CORRUPTIONS

MOST_IMAGES = 2_000  # test images of a set, drawn at random
DRAWS = 10  # of class shares, for each way in which the images are corrupted as well
CORRUPTED_TOO = ("blur 3", "noise 3", "darker 3", "rotation 3")  # corruptions that come with changed shares
NEW_CLASS_SHARES = (0.05, 0.1, 0.2, 0.4)  # of the traffic

Image = NDArray[np.uint8]


def ways() -> Mapping[str, Corrupt]:
    """Every corruption of the robustness figures at each of its five strengths: 45 ways."""
    return {
        f"{name} {number}": partial(_corrupt, name, strength)
        for name, one in CORRUPTIONS.items()
        for number, strength in enumerate(one.strengths, start=1)
    }


def _corrupt(name: str, strength: float, image: Image, random: np.random.Generator) -> Image:
    return CORRUPTIONS[name].corrupt(image, strength, random)


def traffics(answered: Mapping[str, Answered], *, seed: int) -> Iterator[tuple[str, str, Answered]]:
    """Kind, name and answers of each traffic in which every image is of a known class."""
    for name, one in answered.items():
        yield ("unchanged" if name == UNCHANGED else "corrupted"), name, one
    random = np.random.default_rng([seed, 1])
    for number in range(DRAWS):
        yield "shares", f"shares {number}", with_other_shares(answered[UNCHANGED], random)
    for name in CORRUPTED_TOO:
        for number in range(DRAWS):
            yield "shares and corrupted", f"shares {number}, {name}", with_other_shares(answered[name], random)


def with_other_shares(answered: Answered, random: np.random.Generator) -> Answered:
    """Some of the images, so that the classes' shares are evenly drawn ones; none of them twice."""
    present, counts = np.unique(answered.labels, return_counts=True)
    wanted = random.dirichlet(np.ones(len(present)))
    total = min(count / max(share, 1e-9) for count, share in zip(counts, wanted, strict=True) if share > 0.02)
    rows = [
        random.choice(np.flatnonzero(answered.labels == label), min(count, round(total * share)), replace=False)
        for label, count, share in zip(present, counts, wanted, strict=True)
    ]
    return answered.only(np.sort(np.concatenate(rows)))


def with_new_class(known: Answered, strange: Answered, random: np.random.Generator) -> Iterator[tuple[float, Answered]]:
    """The share of images of a class that the model lacks, and the traffic with it."""
    for share in NEW_CLASS_SHARES:
        count = round(min(len(known.labels), len(strange.labels) * (1 - share) / share))
        new = round(count * share / (1 - share))
        rows = random.choice(len(known.labels), count, replace=False)
        others = random.choice(len(strange.labels), new, replace=False)
        yield share, joined([known.only(rows), strange.only(others)])
