"""Cards: what a model is for, how good it is and where it fails, as hubs for models show it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vidi.errors import DataError
from vidi.evaluation.evaluate import Evaluation
from vidi.evaluation.run_files import RunFiles, read_run
from vidi.evaluation.scores import Estimate
from vidi.files import escape_path, write_atomic
from vidi.model_file.digests import member_count
from vidi.model_file.limits import describe_refuted
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.model_file.values import Json
from vidi.report.pages.tables import weakest_first
from vidi.report.words import sentences
from vidi.report.words.guarantees import describe_limits, describe_points, describe_step
from vidi.report.words.sentences import differing, first_line, other_tested, reservations
from vidi.report.words.text import NO_BREAK_SPACE, percent, visible

MODEL_CARD = "model_card.md"
EXAMPLE = """import vidi

model = vidi.load("model.onnx")
for answer in model.predict_files(["photo.jpg"]):
    print(answer.path, answer.error or answer.prediction)"""
MOST_CLASSES = 50  # rows of the table; the weakest first above
SIGNS = {sign: f"\\{sign}" for sign in "\\`*_{}[]<>#+!|~$"}  # what Markdown or HTML would read as more than a letter
STATED_FIGURES: Mapping[str, tuple[str, str]] = {  # of the metadata's test: the hub's name, and the readers'
    "accuracy": ("accuracy", "Accuracy"),
    "balanced_accuracy": ("balanced_accuracy", "Balanced accuracy"),
    "macro_f1": ("f1", "Macro F1"),
}


def write_model_card(run: Path) -> Path:
    """Write model_card.md from what a run folder holds.

    Source: https://huggingface.co/docs/hub/model-cards (front matter, model-index).

    Raises:
        DataError: the run has no model file, or a damaged file.
        ResourceError: the card cannot be written.
    """
    files = read_run(run)
    if files.model is None:
        raise DataError(f"{escape_path(run)} holds no model.onnx", "Name a run folder that `vidi train` wrote.")
    metadata, test = files.model.metadata, files.metrics.parts.test
    name = metadata.provenance.run or files.folder.resolve().name
    figures: list[tuple[str, str, Json]] = []
    if test is not None and test.image_count:
        values = {"accuracy": test.accuracy, "balanced_accuracy": test.macro.recall, "macro_f1": test.macro.f1}
        if metadata.multi_label:
            del values["balanced_accuracy"]  # made for one class each
        figures = [(*STATED_FIGURES[key], figure.value) for key, figure in values.items()]
    front = _front_matter(metadata, figures, library="vidi", name=name, data=json.dumps(_data_name(files)))
    write_atomic(run / MODEL_CARD, "\n".join([*front, *_body(files, files.model, name)]) + "\n")
    return run / MODEL_CARD


def _front_matter(
    metadata: ModelMetadata, figures: Sequence[tuple[str, str, Json]], *, library: str, name: str, data: str
) -> Iterator[str]:
    """YAML between two lines of dashes; every text is a JSON string, which YAML reads too.

    Args:
        figures: the hub's name of each test figure, that for readers, and the value.
    """
    yield "---"
    if metadata.provenance.license:
        yield f"license: {json.dumps(metadata.provenance.license)}"
    yield f"library_name: {library}"
    yield "pipeline_tag: image-classification"
    yield "tags: [image-classification, onnx, vidi]"
    if library == "vidi":
        yield "metrics: [accuracy, f1]"
    if figures:
        yield f"model-index:\n- name: {json.dumps(name)}\n  results:\n  - task: {{type: image-classification}}"
        yield f"    dataset: {{name: {data}, type: image-folder, split: test}}\n    metrics:"
        for kind, title, value in figures:
            yield f"    - {{type: {kind}, name: {json.dumps(title)}, value: {value}}}"
    yield "---"


def _body(files: RunFiles, model: ModelFile, name: str) -> Iterator[str]:
    metadata, test = model.metadata, files.metrics.parts.test
    yield f"# {plain(name)}"
    yield f"\n{plain(first_line(files.metrics))}"
    for sentence in (*other_tested(files.metrics, model.model_id), *reservations(files.metrics)):
        yield f"\n**{plain(sentence)}**"
    if metadata.unfinished:
        yield f"\n**This model is not finished:** {plain(metadata.unfinished)}."
    if test is not None and test.image_count:
        said = (sentences.expectation(test), sentences.weakness(test), sentences.honesty(test)[1])
        yield " ".join(map(plain, said))
        yield from _class_table(test)
    yield "\n## What it is for"
    height, width = metadata.framing.size
    if metadata.multi_label:
        yield f"It predicts which of {len(metadata.classes):,} classes a photograph shows: {_class_names(metadata)}."
    else:
        yield f"It sorts photographs into {len(metadata.classes):,} classes: {_class_names(metadata)}."
    yield f"Its input has {height} × {width} pixels (height × width)."
    if not metadata.multi_label:
        yield "It always predicts one of these classes, even if an image shows none of them."
    yield f"{_source_of_test(files)} Do not let it decide alone if a mistake can do harm."
    yield "\n## How to use it"
    yield f"```python\n{EXAMPLE}\n```"
    yield "The file also runs in onnxruntime alone: uint8 RGB images (batch, height, width, 3) in, `probabilities` out."
    yield from _training(files, model)


def _class_names(metadata: ModelMetadata) -> str:
    more = " …" if len(metadata.classes) > MOST_CLASSES else ""
    return ", ".join(map(plain, metadata.classes[:MOST_CLASSES])) + more


def _source_of_test(files: RunFiles) -> str:
    if differing(files.metrics) is None:
        return (
            "Its test images come from the same source as its training images. On photographs from elsewhere it may be "
            "less accurate."
        )
    return (
        "Its test images differ from its training images. Expect the test accuracy on images like the test images, "
        "and the held-out accuracy on images like the training images."
    )


def _class_table(test: Evaluation) -> Iterator[str]:
    rows = sorted(test.per_class, key=weakest_first)
    yield f"\n## Class by class\nRanges are 95 % intervals; n = {test.image_count:,}.\n"
    yield "| class | test images | recall | precision | F1 |"
    yield "| --- | ---: | --- | --- | --- |"
    for row in rows[:MOST_CLASSES]:
        yield (
            f"| {plain(row.name)} | {row.image_count:,} | {_figure(row.recall)} | {_figure(row.precision)} "
            f"| {_figure(row.f1)} |"
        )
    if len(rows) > MOST_CLASSES:
        yield f"\nThe {MOST_CLASSES} weakest of {len(rows):,} classes; metrics.json has all."


def _training(files: RunFiles, model: ModelFile) -> Iterator[str]:
    metadata = model.metadata
    yield "\n## How it was made"
    if metadata.provenance.network:
        count = member_count(tensor.name for tensor in model.contents.tensors)
        yield f"- network: {plain(metadata.provenance.network)}" + (
            f", {count} networks side by side" if count > 1 else ""
        )
    yield f"- data: {plain(_data_name(files))}"
    if used := sentences.learned_in_use(files.metrics.origin.data):
        yield f"- feedback: {plain(used[0].lower() + used[1:].rstrip('.'))}"
    if metadata.provenance.weights_license:
        yield f"- license of the starting weights: {plain(metadata.provenance.weights_license)}"
    if metadata.calibration is not None:
        yield f"- calibration: {plain(describe_step(metadata.calibration))}"
    yield f"- model id {model.model_id}, digest of the weights `{metadata.weights_digest}`"
    yield f"- made by vidi, {metadata.provenance.date[:10]}; more in recipe.toml and splits.csv"


def plain(text: object) -> str:
    """Text that Markdown shows as it is.

    >>> plain("a_b <i>")
    'a\\\\_b \\\\<i\\\\>'
    """
    return "".join(SIGNS.get(sign, sign) for sign in visible(text).replace(NO_BREAK_SPACE, " "))


def _figure(figure: Estimate) -> str:
    if figure.value is None:
        return "no data"
    shown = f"{percent(figure.value)} ({percent(figure.low)} to {percent(figure.high)})"
    return shown.replace(NO_BREAK_SPACE, " ")


def _data_name(files: RunFiles) -> str:
    """The name of the data without the folders that lead to it."""
    source = "" if files.metrics.origin.data is None else files.metrics.origin.data.source
    return source.rstrip("/").rpartition("/")[2] or "images"


def exported_card(model: ModelFile, *, name: str, runner: str) -> str:
    """The text of `README.md` in an exported folder: front matter as hubs read it, then the card."""
    figures = [(kind, title, figure["value"]) for kind, title, figure in _stated_figures(model.metadata)]
    front = _front_matter(model.metadata, figures, library="onnx", name=name, data="test images")
    return "\n".join([*front, *_exported_body(model, name, runner)]) + "\n"


def _stated_figures(metadata: ModelMetadata) -> Iterator[tuple[str, str, Mapping[str, Json]]]:
    """The test figures that stand in the file, with the names under which they are read."""
    for key, (kind, title) in STATED_FIGURES.items():
        figure = (metadata.test or {}).get(key)
        if isinstance(figure, Mapping) and isinstance(figure.get("value"), int | float):
            yield kind, title, figure


def _exported_body(model: ModelFile, name: str, runner: str) -> Iterator[str]:
    metadata = model.metadata
    yield f"# {plain(name)}\n"
    if metadata.provenance.description:
        yield f"{plain(metadata.provenance.description)}\n"
    if metadata.unfinished:
        yield f"**This model is not finished:** {plain(metadata.unfinished)}.\n"
    if metadata.refuted is not None:
        yield f"**Its own test refutes {plain(describe_refuted(metadata.refuted))}:** do not rely on it.\n"
    yield f"Classes ({len(metadata.classes):,}): {_class_names(metadata)}.\n"
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
    yield f"- network: {plain(metadata.provenance.network or 'unnamed')}"
    if metadata.provenance.weights_license:
        yield f"- license of the starting weights: {plain(metadata.provenance.weights_license)}"


def _quality(metadata: ModelMetadata) -> Iterator[str]:
    """The test figures with their 95 % intervals, and what is guaranteed."""
    images = (metadata.test or {}).get("images")
    yield "## How good it is"
    if metadata.test is None:
        yield "It was not tested, or its test figures were measured before it was calibrated again.\n"
    else:
        yield f"On {images} held-out images, with 95 % intervals:\n"
        for _, title, figure in _stated_figures(metadata):
            low, high = figure.get("low"), figure.get("high")
            between = f" ({low:.3f} to {high:.3f})" if isinstance(low, float) and isinstance(high, float) else ""
            yield f"- {title}: {figure['value']:.3f}{between}"
        yield ""
    limits = () if metadata.verdict is None else describe_limits(metadata.verdict)
    points = () if metadata.operating_points is None else describe_points(metadata.operating_points)
    yield from (f"- {plain(sentence)}" for sentence in (*limits, *points))
    yield "\nOn images from elsewhere it may be less accurate. Do not let it decide alone if a mistake can do harm.\n"
