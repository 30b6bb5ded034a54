"""What every rival is asked on its command line, and the one line of JSON that it answers with."""

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

_IMPORTED = time.monotonic()


@dataclass(frozen=True)
class Asked:
    """A rival's command line."""

    source: Path
    train: str
    test: tuple[str, ...]
    classes: tuple[str, ...] | None
    size: int
    epochs: float
    batch: int
    steps: int  # 0: train to the end and score; else only the speed of that many steps
    seed: int
    variant: str
    crop: bool  # the centre of an image in place of the whole, stretched
    model: Path | None


def ask(
    description: str,
    *,
    size: int = 0,
    epochs: float = 0,
    batch: int = 0,
    variants: Sequence[str] = ("",),
    crops: bool = False,
) -> Asked:
    """Read the command line; what a rival does not use is not offered."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("source", type=Path, help="a folder with train/CLASS/ and test/CLASS/, or a known set's folder")
    parser.add_argument("--train", default="train", help="the part to learn from")
    parser.add_argument("--test", default="test", help="the parts to score on, pooled: validation,test")
    parser.add_argument("--classes", help="only these: dress,shoes,t-shirt")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, help="where the model is written; a temporary file when left out")
    parser.add_argument("--size", type=int, default=size, help="side in pixels")
    if epochs:
        parser.add_argument("--epochs", type=float, default=epochs)
        parser.add_argument("--batch", type=int, default=batch)
        parser.add_argument("--steps", type=int, default=0, help="measure only the speed of that many steps")
    if len(variants) > 1:
        parser.add_argument("--variant", choices=variants, default=variants[0])
    if crops:
        parser.add_argument("--crop", action="store_true", help="look at the centre of an image, not stretched")
    given = vars(parser.parse_args())
    return Asked(
        source=given["source"],
        train=given["train"],
        test=tuple(given["test"].split(",")),
        classes=None if given["classes"] is None else tuple(given["classes"].split(",")),
        size=given["size"],
        epochs=given.get("epochs", 0),
        batch=given.get("batch", 0),
        steps=given.get("steps", 0),
        seed=given["seed"],
        variant=given.get("variant", variants[0]),
        crop=given.get("crop", False),
        model=given["model"],
    )


def seconds_since_start() -> float:
    """Seconds since this process was started, the interpreter's own start included where the system tells it."""
    try:
        begun = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return float(Path("/proc/uptime").read_text().split()[0]) - begun
    except (OSError, ValueError, IndexError):
        return time.monotonic() - _IMPORTED


def processor() -> str:
    """The processor's name and the vector instructions that decide how it trains."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
    flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in text.split()]
    return f"{names[0] if names else platform.machine()}, {len(names)} cores, {' '.join(flags)}"


def answer(rival: str, asked: Asked, packages: Sequence[str], figures: dict[str, object]) -> None:
    """Print the one line."""
    document = {
        "rival": f"{rival} {asked.variant}".strip(),
        "data": asked.source.name,
        "train": asked.train,
        "test": list(asked.test),
        "classes": list(asked.classes or ()),
        "size": asked.size,
        **({"crop": True} if asked.crop else {}),
        **({"epochs": asked.epochs, "batch": asked.batch} if asked.epochs else {}),
        **({"steps": asked.steps} if asked.steps else {}),
        "seed": asked.seed,
        "seconds": round(seconds_since_start(), 2),
        **figures,
        "versions": {name: version(name) for name in ("numpy", *packages)},
        "python": platform.python_version(),
        "processor": processor(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    print(json.dumps(document), flush=True)


def scored(right: int, count: int) -> dict[str, object]:
    """Accuracy and what it was counted from."""
    return {"accuracy": round(right / count, 5), "right": int(right), "n": int(count)}
