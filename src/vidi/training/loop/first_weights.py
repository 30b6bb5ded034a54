"""What a network knows before its first step: nothing, what its images' patches look like, or an older model."""

from vidi.networks.from_onnx import start_from
from vidi.networks.layers import Classifier
from vidi.networks.whitening import fit_whitening
from vidi.training.data import TrainingData
from vidi.training.engine.engine import Engine
from vidi.training.loop.objective import InputNormalisation

SAMPLE = 512  # training images that show what the first layers see


def fill_in(network: Classifier, data: TrainingData, *, normalisation: InputNormalisation, engine: Engine) -> list[str]:
    """Complete a new network: by the weights that the data come with, else by what can be computed from the images.

    Returns:
        Names of the layers that stay new although weights were given: the head, where the classes are others.

    Raises:
        ModelError: the given weights are of another network.
    """
    if data.initial is not None:
        network.load_state_dict(dict(data.initial))
        return []
    some = data.train_rows[:: max(1, len(data.train_rows) // SAMPLE)][:SAMPLE]
    inputs = normalisation.inputs(data.images[some], engine=engine)
    if data.start is not None:
        return start_from(network, data.start, inputs=inputs)
    fit_whitening(network, inputs)
    return []
