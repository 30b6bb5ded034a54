"""The card of an exported model folder, from the model file alone: what it is for, how good it is, how to use it."""

import json
from collections.abc import Iterator, Mapping

from vidi.model_file.limits import describe_refuted
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.model_file.values import Json
from vidi.report.cards.model_card import MOST_CLASSES, plain
from vidi.report.words.guarantees import describe_limits, describe_points

FIGURES: Mapping[str, tuple[str, str]] = {  # of the metadata's test: the hub's name, and the readers'
    "accuracy": ("accuracy", "Accuracy"),
    "balanced_accuracy": ("balanced_accuracy", "Balanced accuracy"),
    "macro_f1": ("f1", "Macro F1"),
}


def exported_card(model: ModelFile, *, name: str, runner: str) -> str:
    """The text of `README.md`: front matter as hubs read it, then the card.

    Args:
        model: the model file.
        name: of the model.
        runner: name of the script beside it.

    Source: https://huggingface.co/docs/hub/model-cards (front matter, model-index).
    """
    return "\n".join([*_front_matter(model.metadata, name), *_body(model, name, runner)]) + "\n"


def _front_matter(metadata: ModelMetadata, name: str) -> Iterator[str]:
    """YAML between two lines of dashes; every text is a JSON string, which YAML reads too."""
    yield "---"
    if metadata.license:
        yield f"license: {json.dumps(metadata.license)}"
    yield "library_name: onnx"
    yield "pipeline_tag: image-classification"
    yield "tags: [image-classification, onnx, vidi]"
    figures = [(kind, title, figure) for kind, title, figure in _figures(metadata)]
    if figures:
        yield f"model-index:\n- name: {json.dumps(name)}\n  results:\n  - task: {{type: image-classification}}"
        yield "    dataset: {name: test images, type: image-folder, split: test}\n    metrics:"
        yield from (
            f"    - {{type: {kind}, name: {json.dumps(title)}, value: {figure['value']}}}"
            for kind, title, figure in figures
        )
    yield "---"


def _figures(metadata: ModelMetadata) -> Iterator[tuple[str, str, Mapping[str, Json]]]:
    """The test figures that stand in the file, with the names under which they are read."""
    for key, (kind, title) in FIGURES.items():
        figure = (metadata.test or {}).get(key)
        if isinstance(figure, Mapping) and isinstance(figure.get("value"), int | float):
            yield kind, title, figure


def _body(model: ModelFile, name: str, runner: str) -> Iterator[str]:
    metadata = model.metadata
    yield f"# {plain(name)}\n"
    if metadata.description:
        yield f"{plain(metadata.description)}\n"
    yield from _reservations(metadata)
    names = ", ".join(map(plain, metadata.classes[:MOST_CLASSES]))
    more = " …" if len(metadata.classes) > MOST_CLASSES else ""
    yield f"Classes ({len(metadata.classes):,}): {names}{more}.\n"
    yield from _quality(metadata)
    yield "## How to use it"
    yield f"```console\n$ pip install onnxruntime pillow\n$ python {runner} photo.jpg\n```\n"
    yield (
        f"`{runner}` needs no vidi. It gives the file upright RGB images of any size: preprocessing and calibration "
        "are part of the graph. `vidi predict` also says whether an answer is sure. `golden.json` holds drawn images "
        "with the answers of this file, for other hosts to test themselves.\n"
    )
    yield "## Which file this is"
    yield f"- model id {model.model_id}, digest `{model.digest}`"
    yield f"- network: {plain(metadata.network or 'unnamed')}"
    if metadata.weights_license:
        yield f"- license of the starting weights: {plain(metadata.weights_license)}"


def _reservations(metadata: ModelMetadata) -> Iterator[str]:
    if metadata.unfinished:
        yield f"**This model is not finished:** {plain(metadata.unfinished)}.\n"
    if metadata.refuted is not None:
        yield f"**Its own test refutes {plain(describe_refuted(metadata.refuted))}:** do not rely on it.\n"


def _quality(metadata: ModelMetadata) -> Iterator[str]:
    """The test figures with their 95 % intervals, and what is guaranteed."""
    images = (metadata.test or {}).get("images")
    yield "## How good it is"
    if metadata.test is None:
        yield "It was not tested, or its test figures were measured before it was calibrated again.\n"
    else:
        yield f"On {images} held-out images, with 95 % intervals:\n"
        for _, title, figure in _figures(metadata):
            low, high = figure.get("low"), figure.get("high")
            between = f" ({low:.3f} to {high:.3f})" if isinstance(low, float) and isinstance(high, float) else ""
            yield f"- {title}: {figure['value']:.3f}{between}"
        yield ""
    limits = () if metadata.verdict is None else describe_limits(metadata.verdict)
    points = () if metadata.operating_points is None else describe_points(metadata.operating_points)
    yield from (f"- {plain(sentence)}" for sentence in (*limits, *points))
    yield "\nOn images from elsewhere it may be less accurate. Do not let it decide alone if a mistake can do harm.\n"
