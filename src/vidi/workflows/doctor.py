"""`vidi doctor`: what this computer offers, which limits apply and what is missing."""

import platform
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from PIL import features

from vidi.data.cache import LIMIT_BYTES, cache_folder
from vidi.files import escape_path
from vidi.images.limits import Limits
from vidi.machine import core_count, memory_bytes

PACKAGES = (
    "vidi",
    "numpy",
    "pillow",
    "onnxruntime",
    "onnx",
    "scipy",
    "torch",
    "scikit-learn",
    "matplotlib",
    "scikit-image",
)
CODECS = {
    "jpg": "JPEG",
    "zlib": "PNG",
    "webp": "WebP",
    "libtiff": "TIFF",
    "avif": "AVIF",
    "littlecms2": "colour profiles",
}
EXTRAS = {
    "train": ("torch", "sklearn", "safetensors", "tomli_w"),
    "report": ("matplotlib", "jinja2"),
    "demo": ("skimage",),
    "tune": ("optuna",),
    "log": ("sqlalchemy", "pg8000"),
    "openvino": ("openvino",),
    "heic": ("pillow_heif",),
}


def describe_machine() -> dict[str, dict[str, object]]:
    """Return sections of names and values, for the terminal and for JSON."""
    limits = Limits()
    return {
        "machine": {
            "system": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cores": core_count(),
            "memory_gigabytes": round(memory_bytes() / 1e9, 1),
            "python": platform.python_version(),
        },
        "training": _training(),
        "packages": {name: _version(name) for name in PACKAGES},
        "parts": {name: _part(name, modules) for name, modules in EXTRAS.items()},
        "image_formats": {name: bool(features.check(feature)) for feature, name in CODECS.items()},
        "limits": {item.name: object.__getattribute__(limits, item.name) for item in fields(limits)},
        "cache": {"folder": escape_path(cache_folder()), "limit_gigabytes": LIMIT_BYTES / 1e9},
    }


def _training() -> dict[str, object]:
    """What was chosen for training, and how near to the processor's best the usual network comes; some seconds."""
    if find_spec("torch") is None:
        return {"engine": _part("train", EXTRAS["train"])}
    import torch

    from vidi.training.defaults import recipe_for
    from vidi.training.engine.engine import with_engine
    from vidi.training.recipe import MEASURED
    from vidi.training.speed import MATRIX_SIDE, measure_steps
    from vidi.training.traits import DataTraits

    photographs = DataTraits(image_count=3_000, class_count=10, usual_size=(480, 640), is_grey=False)
    recipe = with_engine(recipe_for(photographs))
    measured = measure_steps(recipe)
    height, width = recipe.image_size
    return {
        "device": recipe.execution.device,
        "precision": f"{recipe.execution.precision} ({recipe.sources['precision'].removeprefix(MEASURED).strip()})",
        "memory_format": "channels last" if measured.engine.channels_last else "planes",
        "threads": torch.get_num_threads(),
        "matrix_product": f"{measured.fastest_rate:.0f} GFLOP/s at {MATRIX_SIDE} x {MATRIX_SIDE}",
        "training_step": f"{measured.rate:.0f} GFLOP/s, {measured.images / measured.seconds:.0f} images/s "
        f"({recipe.network}, {height}x{width} pixels, batch {recipe.optimization.batch})",
        "share_of_product": round(measured.share, 2),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _part(extra: str, modules: tuple[str, ...]) -> str:
    missing = [module for module in modules if find_spec(module) is None]
    return "installed" if not missing else f'not installed: pip install "vidi[{extra}]"'
