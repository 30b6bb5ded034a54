"""A model file written as a model of MLflow: the file, the name of the module that opens it, and what it takes."""

from importlib.metadata import version
from pathlib import Path

from vidi.images.encode import encode_png
from vidi.model_file.golden import draw_golden_image
from vidi.prediction import pyfunc as opening
from vidi.prediction.pyfunc import IMAGE

EXAMPLE_SIZE = (32, 32)  # (height, width) of the drawn image that serves as an example


def save_pyfunc(model: Path, folder: Path) -> None:
    """Write a new folder that `mlflow.pyfunc.load_model` opens without pickle and without torch.

    Args:
        model: the model file; it is copied.
        folder: does not exist yet.
    """
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array
    from pandas import DataFrame

    text, number = DataType.string, DataType.double
    answers = Schema(
        [
            ColSpec(text, "label"),
            ColSpec(number, "probability"),
            ColSpec(text, "verdict"),
            ColSpec(text, "candidates"),
            ColSpec(Array(number), "probabilities"),
            ColSpec(text, "error"),
        ]
    )
    mlflow.pyfunc.save_model(
        str(folder),
        loader_module=opening.__name__,
        data_path=str(model),
        signature=ModelSignature(inputs=Schema([ColSpec(DataType.binary, IMAGE)]), outputs=answers),
        input_example=DataFrame({IMAGE: [encode_png(draw_golden_image(EXAMPLE_SIZE))]}),
        pip_requirements=[f"vidi=={version('vidi')}", "pandas"],
    )
