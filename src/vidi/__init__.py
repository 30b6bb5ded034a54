"""vidi turns a folder of images into one model file with the same, calibrated answers everywhere."""

import os
from typing import TYPE_CHECKING

# onnxruntime writes a device id and a telemetry store when it is imported; this, and only this, keeps it from that.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from vidi.errors import VidiError as VidiError
    from vidi.estimator import ImageClassifier as ImageClassifier
    from vidi.prediction.prediction import Prediction as Prediction
    from vidi.prediction.predictor import Predictor as Predictor
    from vidi.workflows.python.learning import benchmark as benchmark
    from vidi.workflows.python.learning import check as check
    from vidi.workflows.python.learning import compare as compare
    from vidi.workflows.python.learning import evaluate as evaluate
    from vidi.workflows.python.learning import train as train
    from vidi.workflows.python.using import explain as explain
    from vidi.workflows.python.using import load as load
    from vidi.workflows.python.using import locate as locate
    from vidi.workflows.requests.data import DataRequest as DataRequest

    __version__: str

# Where each public name lives. It is fetched when it is first used, so that `import vidi` costs nothing and prediction
# never loads torch.
_HOMES = {
    "train": "vidi.workflows.python.learning",
    "check": "vidi.workflows.python.learning",
    "evaluate": "vidi.workflows.python.learning",
    "compare": "vidi.workflows.python.learning",
    "benchmark": "vidi.workflows.python.learning",
    "load": "vidi.workflows.python.using",
    "locate": "vidi.workflows.python.using",
    "explain": "vidi.workflows.python.using",
    "DataRequest": "vidi.workflows.requests.data",
    "ImageClassifier": "vidi.estimator",
    "Prediction": "vidi.prediction.prediction",
    "Predictor": "vidi.prediction.predictor",
    "VidiError": "vidi.errors",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    """A public name, from the module that defines it (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("vidi")
    elif name in _HOMES:
        from importlib import import_module

        value = vars(import_module(_HOMES[name]))[name]
    else:
        raise AttributeError(f"module 'vidi' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "__version__"})
