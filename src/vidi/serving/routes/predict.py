"""`POST /v1/predict`: images in, the document of `vidi predict --json` out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from vidi.errors import ImageError, ModelError, VidiError
from vidi.explanation.maps import labels_shown, regions_as_json
from vidi.images.account import Account, Entry
from vidi.metrics.arrays import Floats
from vidi.model_file.values import Json
from vidi.prediction.prediction import Prediction, decide
from vidi.prediction.stream import Answer
from vidi.serving.asked import Asked
from vidi.serving.engine.engine import AnswerEngine, Classified, classify_files
from vidi.serving.engine.models import ServedModel
from vidi.serving.engine.recording import Recorder
from vidi.serving.engine.telemetry import ANSWERED, REFUSED
from vidi.serving.problems import Problem, UnusableImages
from vidi.serving.routes.bodies import Document, Row, SentImage
from vidi.workflows.interaction.output import SCHEMA_VERSION, answer_as_json, model_as_json
from vidi.workflows.locating.output import as_json
from vidi.workflows.locating.search import Find, finder, search_image
from vidi.workflows.requests.locate import LocateRequest


@dataclass(frozen=True, slots=True)
class Predicted:
    """The document that answers a request, and how its images ended."""

    document: Document
    outcomes: Sequence[str]  # a verdict, `answered` or `refused`, for each image


async def predict(
    engine: AnswerEngine,
    served: ServedModel,
    images: Sequence[SentImage],
    asked: Asked,
    *,
    recorder: Recorder | None = None,
) -> Predicted:
    """The predictions document about some images.

    Args:
        engine: decodes and runs.
        served: the model.
        images: what was sent.
        asked: what is wanted of each.
        recorder: takes the answers down.

    Raises:
        Problem: boxes or evidence were asked for of a model that gives none; or the only image cannot be used.
    """
    files, wanted = [image.data for image in images], _outputs(served, asked)
    if recorder is not None:
        wanted += [name for name in recorder.outputs(served) if name not in wanted]
    classified = await classify_files(engine, served, files, wanted, statistics=recorder is not None)
    outcomes = [one.error or decide_rows(served, one.rows) for one in classified]
    if recorder is not None:
        recorder.record_files(served, files, classified, outcomes)
    if len(images) == 1 and classified[0].error is not None:
        raise unusable(classified[0].error)
    rows = [_row(*each, asked) for each in zip(images, classified, outcomes, strict=True)]
    if asked.locate:
        from vidi.serving.routes.predict import add_boxes  # searching takes more of vidi than answering does

        await add_boxes(engine, served, images, rows, asked)
    document: Document = {
        "schema": SCHEMA_VERSION,
        "model": model_document(served),
        "predictions": rows,
        "account": _account(images, classified),
    }
    return Predicted(document, outcomes=[_outcome(row) for row in rows])


def _outcome(row: Row) -> str:
    """How an image ended, as counters name it."""
    return REFUSED if row["error"] is not None else str(row["verdict"] or ANSWERED)


def model_document(served: ServedModel) -> dict[str, Json]:
    """Which model answered: its name on this server, and what `vidi predict --json` says of it."""
    return {"name": served.name, **model_as_json(served.model)}


def served_document(served: ServedModel) -> dict[str, Json]:
    """What a client may know of a model before it asks: its classes, outputs and input size."""
    metadata = served.metadata
    return {
        **model_document(served),
        "classes": list(metadata.classes),
        "multi_label": metadata.multi_label,
        "outputs": list(served.outputs),
        "size": list(metadata.framing.size),
    }


def unusable(error: ImageError) -> UnusableImages:
    """The problem of a request whose only image cannot be used."""
    return UnusableImages(error.cause, error.remedy, members={"image": {"code": error.code}})


def _outputs(served: ServedModel, asked: Asked) -> list[str]:
    if asked.explain == "evidence" and "evidence" not in served.outputs:
        raise Problem("invalid-input", f"The model {served.name!r} gives no evidence.", "Ask without `explain`.")
    names = ["probabilities", *(["novelty"] if "novelty" in served.outputs else [])]
    return [*names, *(["evidence"] if asked.explain == "evidence" else [])]


def _row(image: SentImage, one: Classified, outcome: Prediction | ImageError, asked: Asked) -> Row:
    """One image's row of the document."""
    answer = Answer(path=image.name, outcome=outcome, notes=one.read.notes, digest=one.read.digest, size=one.read.size)
    row: Row = {**answer_as_json(answer, top=asked.top)}
    if asked.explain == "evidence":
        row["why"] = _why(outcome, one.rows, asked) if isinstance(outcome, Prediction) else None
    return row


def decide_rows(served: ServedModel, rows: Mapping[str, Floats]) -> Prediction:
    """The prediction that a model's outputs for one image amount to."""
    novelty = float(rows["novelty"]) if "novelty" in rows else None
    return decide(rows["probabilities"], served.metadata, novelty=novelty)


def _why(prediction: Prediction, rows: Mapping[str, Floats], asked: Asked) -> dict[str, Json]:
    return {"regions": regions_as_json(rows["evidence"], prediction, labels_shown(prediction, asked.top))}


def _account(images: Sequence[SentImage], classified: Sequence[Classified]) -> Document:
    account = Account()
    for image, one in zip(images, classified, strict=True):
        if one.error is None:
            account.used += 1
        else:
            account.refused.append(Entry(image.name, one.error.code, one.error.cause))
    return account.as_json()


async def add_boxes(
    engine: AnswerEngine, served: ServedModel, images: Sequence[SentImage], rows: Sequence[Row], asked: Asked
) -> None:
    """Search every image that could be used; one at a time, for a search takes much memory.

    Args:
        engine: decodes and runs.
        served: the model.
        images: what was sent.
        rows: of the document; those without an error get the members `size` and `boxes`.
        asked: how to search.

    Raises:
        Problem: the model cannot be searched with so.
    """
    try:
        find = await engine.do(partial(_finder, served, LocateRequest(by=asked.by, least=asked.least)))
    except ModelError as error:
        raise Problem("not-ready", error.cause, error.remedy) from error
    except VidiError as error:
        raise Problem("invalid-input", error.cause, error.remedy) from error
    async with engine.searching:
        for image, row in zip(images, rows, strict=True):
            if row["error"] is None:
                row.update(await engine.do(partial(_search, engine, find, image)))


def _finder(served: ServedModel, request: LocateRequest) -> Find:
    return finder(served.whole(), request)


def _search(engine: AnswerEngine, find: Find, image: SentImage) -> Row:
    read = engine.crew.decode(image.data, framing=None)
    if read.error is not None:
        raise UnusableImages(read.error.cause, read.error.remedy)
    located = search_image(find, image.name, read.pixels())
    if located.error is not None:
        raise Problem("invalid-input", located.error.sentence)
    document = as_json(located)
    return {"size": document["size"], "boxes": document["boxes"]}
