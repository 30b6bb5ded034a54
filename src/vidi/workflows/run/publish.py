"""From a trained network to its model file: written, but marked unfinished until it is calibrated and tested."""

import numpy as np

from vidi.files import write_whole
from vidi.model_file.write import model_bytes
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.predictor import Predictor
from vidi.training.train import TrainedNetwork
from vidi.workflows.interaction.run_folder import MODEL
from vidi.workflows.run.context import Context
from vidi.workflows.run.describe import describe_model
from vidi.workflows.run.learn import as_training_data
from vidi.workflows.run.parity import IMAGE_COUNT, require_parity
from vidi.workflows.run.prepare import Prepared

UNFINISHED = "training was interrupted: not calibrated, not tested"


def publish_unfinished(context: Context, prepared: Prepared, trained: TrainedNetwork) -> Predictor:
    """Turn the network into a model file that agrees with torch, write it marked unfinished, and give it loaded.

    Raises:
        GateError: it does not agree; nothing is written.
    """
    metadata = describe_model(prepared, trained, run=context.folder.name, unfinished=UNFINISHED)
    data = model_bytes(to_onnx(trained.network, trained.recipe.image_size), metadata)
    predictor = Predictor.from_bytes(data)
    rows = as_training_data(prepared).train_rows[:IMAGE_COUNT]
    require_parity(trained, predictor, np.ascontiguousarray(prepared.pixels[rows]))
    write_whole(context.folder / MODEL, data)
    return predictor
