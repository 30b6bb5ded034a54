"""The output of `vidi explain`, about images and about a network: pages, lines for a terminal, documents."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidi.data.inputs import FoundInputs
from vidi.errors import ImageError
from vidi.explanation import regions_as_json, rounded_rows
from vidi.files import escape_path
from vidi.images.account import Account
from vidi.model_file.anatomy import dissect_network
from vidi.model_file.read import ModelFile
from vidi.model_file.values import Json
from vidi.prediction.prediction import Answer, model_as_json
from vidi.report.pages.explain import Explanation, write_explanation
from vidi.report.pages.network import (
    Layer,
    ShownNetwork,
    describe_graph,
    describe_layers,
    show_model,
    show_network,
    write_network_page,
)
from vidi.report.words.text import percent, rounded
from vidi.workflows.explaining.image import Explained
from vidi.workflows.interaction.output import aligned, write_table
from vidi.workflows.interaction.run_folder import page_names, require_own

SCHEMA_VERSION = 1
PAGES = Path("explanations")
LINE_WIDTH = 100  # columns of the words below the table
USUAL_SIZES = {"textbook": (256, 256), "compact": (128, 128), "dense": (64, 64)}  # of photographs, as training has it
PUBLISHED_SIZE = (224, 224)  # of the others: what their weights were learned at
USUAL_CLASSES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPage:
    """Result for one path, and the path of its page."""

    explained: Explained
    page: Path | None  # None where the image could not be used


def write_pages(
    explained: Iterator[Explained],
    found: Sequence[FoundInputs],
    model: ModelFile,
    *,
    folder: Path | None,
    with_images: bool,
) -> Iterator[WrittenPage]:
    """Write the pages as the explanations come.

    Args:
        explained: in the order of the paths.
        folder: where the pages go; `explanations` when None.
        with_images: False leaves every picture of the user's out.

    Raises:
        UsageError: a page would replace a file that vidi has not written.
        ResourceError: a page cannot be written.
    """
    paths = [path for group in found for path in group.paths]
    places = dict(zip(paths, [(folder or PAGES) / name for name in page_names(paths)], strict=True))
    for place in places.values():
        require_own(place)
    for one in explained:
        page = None if one.explanation is None else places[one.path]
        if one.explanation is not None and page is not None:
            write_explanation(page, one.explanation, model, with_images=with_images)
        yield WrittenPage(explained=one, page=page)


def explanation_line(written: WrittenPage) -> str:
    """Return the line for a terminal: the prediction and the page."""
    import io

    stream = io.StringIO()
    write_table([_as_answer(written.explained)], stream, paths=[written.explained.path])
    line = stream.getvalue().rstrip("\n")
    return line if written.page is None else f"{line}  {escape_path(written.page)}"


def explanations_document(pages: Sequence[WrittenPage], model: ModelFile, account: Account) -> dict[str, object]:
    """Return the JSON document: as `vidi predict`'s, with maps."""
    return {
        "schema": SCHEMA_VERSION,
        "model": model_as_json(model),
        "explanations": [_as_json(page) for page in pages],
        "account": account.as_json(),
    }


def _as_json(written: WrittenPage) -> dict[str, Json]:
    explanation = written.explained.explanation
    document = _as_answer(written.explained).written().as_json()
    document["page"] = None if written.page is None else escape_path(written.page)
    document["why"] = None if explanation is None else _why_as_json(explanation)
    return document


def _why_as_json(explanation: Explanation) -> dict[str, Json]:
    deletion = explanation.deletion
    return {
        "regions": None
        if explanation.regions is None
        else regions_as_json(explanation.regions, explanation.prediction, explanation.evidence),
        "neighbours": [
            {"path": escape_path(one.path), "label": one.label, "similarity": round(one.similarity, 5)}
            for one in explanation.neighbours
        ],
        "covered": {label: round(value, 6) for label, value in explanation.covered.items()},
        "deletion": {
            "marked": rounded_rows(deletion.marked),
            "random": rounded_rows(deletion.random),
            "chance": rounded_rows(deletion.chance),
        },
    }


def _as_answer(explained: Explained) -> Answer:
    outcome = explained.outcome
    answered = outcome if isinstance(outcome, ImageError) else outcome.prediction
    return Answer(path=explained.path, outcome=answered, notes=explained.notes)


def describe_architecture(name: str) -> ShownNetwork:
    """Describe an untrained network at its usual size: its layers, their shapes, weights and cost.

    Args:
        name: `textbook`, `compact`, `dense`, `lite0` …, or `timm/NAME`.

    Raises:
        UnknownNameError: no such network.
    """
    from vidi.networks.build import blank_network
    from vidi.networks.to_onnx import to_onnx

    size = USUAL_SIZES.get(name, PUBLISHED_SIZE)
    network = blank_network(name, image_size=size, class_count=USUAL_CLASSES).eval()
    layers = describe_graph(dissect_network(to_onnx(network, size)))
    return show_network(layers, image_size=size, class_count=USUAL_CLASSES, with_filters=False)


def describe_model_network(model: ModelFile, *, with_images: bool = True) -> ShownNetwork:
    """Describe the network of a model file, with its trained filters."""
    return show_model(model, describe_layers(model, None), with_filters=with_images)


def write_network(network: ShownNetwork, *, name: str, folder: Path | None) -> Path:
    """Write the page of a network.

    Args:
        folder: where the page goes; `explanations` when None.

    Raises:
        UsageError: the page would replace a file that vidi has not written.
        ResourceError: it cannot be written.
    """
    (file_name,) = page_names([name.replace("/", "-")])
    page = (folder or PAGES) / file_name
    require_own(page)
    write_network_page(page, network, name=name)
    return page


def network_table(network: ShownNetwork, *, name: str) -> str:
    """Return the network as lines for a terminal."""
    height, width = network.image_size
    rows = [("", "image", f"{height} × {width} pixels, 3 colours", "", "")]
    notes = [""]
    for number, shown in enumerate(network.layers, start=1):
        layer = shown.layer
        work = f"{rounded(layer.multiply_adds)}" if layer.multiply_adds else ""
        share = f" ({percent(shown.work_share)})" if shown.work_share >= 0.005 else ""
        weights = f"{layer.parameter_count:,}" if layer.parameter_count else ""
        rows.append((str(number), layer.name, layer.shape_text, weights, work + share))
        notes.append("; ".join(layer.steps))
    rows.append(("", "probabilities", f"{network.class_count:,} numbers that sum to 1", "", ""))
    notes.append("")
    table = aligned([("", "layer", "what comes out", "weights", "multiply-adds"), *rows], right=(0, 3))
    beside = " " * len(str(len(network.layers)))  # as wide as the first column
    lines = [table[0]]
    for line, note in zip(table[1:], notes, strict=True):
        lines += [line, f"{beside}    then {note}"] if note else [line]
    return (
        f"{escape_path(name)}: {len(network.layers)} layers, {network.parameter_count:,} weights, "
        f"{network.work} multiply-adds for one image\n\n"
        + "\n".join(lines)
        + "\n\n"
        + "\n".join(textwrap.fill(text, LINE_WIDTH) for text in network.words)
        + "\n"
    )


def network_document(network: ShownNetwork, *, name: str, page: Path) -> dict[str, Json]:
    """Return the JSON document about a network."""
    return {
        "schema": SCHEMA_VERSION,
        "network": name,
        "page": escape_path(page),
        "image_size": list(network.image_size),
        "classes": network.class_count,
        "parameters": network.parameter_count,
        "multiply_adds": sum(shown.layer.multiply_adds for shown in network.layers),
        "layers": [_layer_as_json(shown.layer) for shown in network.layers],
    }


def _layer_as_json(layer: Layer) -> Json:
    return {
        "kind": layer.kind,
        "name": layer.name,
        "steps": list(layer.steps),
        "shape": list(layer.shape),
        "parameters": layer.parameter_count,
        "multiply_adds": layer.multiply_adds,
    }
