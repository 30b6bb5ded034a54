"""What this computer has, which limits apply, and what is missing: the first thing to send with a question."""

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
}


def describe_machine() -> dict[str, dict[str, object]]:
    """Sections of name and value, for the terminal and for JSON."""
    limits = Limits()
    return {
        "machine": {
            "system": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cores": core_count(),
            "memory_gigabytes": round(memory_bytes() / 1e9, 1),
            "python": platform.python_version(),
        },
        "packages": {name: _version(name) for name in PACKAGES},
        "parts": {name: _part(name, modules) for name, modules in EXTRAS.items()},
        "image_formats": {name: bool(features.check(feature)) for feature, name in CODECS.items()},
        "limits": {item.name: object.__getattribute__(limits, item.name) for item in fields(limits)},
        "cache": {"folder": escape_path(cache_folder()), "limit_gigabytes": LIMIT_BYTES / 1e9},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _part(extra: str, modules: tuple[str, ...]) -> str:
    missing = [module for module in modules if find_spec(module) is None]
    return "installed" if not missing else f'not installed: pip install "vidi[{extra}]"'
