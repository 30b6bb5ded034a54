"""`POST /v1/predict`: a query and images in, the document of `vidi predict --json` out."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import python_multipart
from msgspec import Meta, Struct
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.errors import ImageError, ModelError, VidiError
from vidi.explanation import labels_shown, regions_as_json
from vidi.images.account import Account, Entry
from vidi.metrics.arrays import Floats
from vidi.model_file.values import Json
from vidi.prediction.prediction import SCHEMA_VERSION, Answer, Prediction, decide, model_as_json
from vidi.serving.bodies import json_response, misfit, read_body, read_json
from vidi.serving.engine.engine import AnswerEngine, Classified, classify_files
from vidi.serving.engine.models import ServedModel
from vidi.serving.engine.recording import Recorder
from vidi.serving.engine.service import Service
from vidi.serving.engine.telemetry import ANSWERED, REFUSED
from vidi.serving.problems import Problem, UnusableImages
from vidi.workflows.locating import Find, as_json, finder, search_image
from vidi.workflows.requests.model_file import LocateRequest

_BARE: Final = re.compile(r'(?!null)[^\s"]+')  # what is no text


class PredictQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of a request for predictions."""

    model: Annotated[str | None, Meta(description="Which model is asked.")] = None
    top: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)] | None,
        Meta(description="Number of most probable classes to give; all by default."),
    ] = None
    locate: Annotated[bool, Meta(description="Search for boxes as well.")] = False
    by: Annotated[
        Literal["windows", "evidence"] | None,
        Meta(description="How boxes are searched for; as `vidi locate` by default."),
    ] = None
    least: Annotated[float, Meta(gt=0, le=1, description="Least probability of a box.")] = 0.5
    explain: Annotated[Literal["evidence"] | None, Meta(description="Give the class evidence of each region.")] = None


class Images(Struct, forbid_unknown_fields=True):
    """Images in JSON."""

    images: Annotated[list[bytes], Meta(min_length=1, description="Encoded files, such as JPEG, in base64.")]


_TYPES: Final = {one.name: one.type for one in msgspec.structs.fields(PredictQuery)}


def read_query(pairs: Sequence[tuple[str, str]]) -> PredictQuery:
    """The query of a request; strict, so that a slip of the pen is no silent default.

    Raises:
        Problem: a name is unknown or stands there twice, or a value cannot be used.

    >>> read_query([("top", "3"), ("locate", "true")]).locate
    True
    """
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name not in _TYPES:
            raise misfit(f"The query has an unknown name {name[:60]!r}", f"Known: {', '.join(_TYPES)}.")
        if name in given:
            raise misfit(f"The query names {name!r} twice", "Name it once.")
        given[name] = _value(name, value)
    return PredictQuery(**given)


def _value(name: str, text: str) -> Any:
    """A text as it is, where texts are taken; else a number, or true or false, as JSON writes them."""
    try:
        return msgspec.convert(text, _TYPES[name])
    except msgspec.ValidationError as error:
        if not _BARE.fullmatch(text):
            raise misfit(f"{name}={text[:60]!r}: {error}") from error
    try:
        return msgspec.json.decode(text, type=_TYPES[name])
    except (msgspec.DecodeError, RecursionError) as error:
        raise misfit(f"{name}={text[:60]!r}: {error}") from error


FIELD = "image"  # of a form
LEAST_REMEDY = 'Send image/*, a form with fields called `image`, or JSON: {"images": [base64, …]}.'
MOST_PARTS_BESIDE = 16  # fields of a form beside its images
MOST_PART_HEADERS = 8_192  # bytes
ACCEPTED = "image/*, application/octet-stream, multipart/form-data, application/json"
Row: TypeAlias = dict[str, object]  # one image's
Document: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class SentImage:
    """One encoded image of a request."""

    name: str  # what the answer calls it: the form's file name, or its number
    data: bytes


def read_images(body: bytes, content_type: str, *, most: int) -> list[SentImage]:
    """The images in a request's body.

    Args:
        most: images that one request may hold.

    Raises:
        Problem: the type is not one that is read, the body is not what its type says, or it holds no or too many
            images.
    """
    kind, options = parse_options_header(content_type)
    media_type = kind.decode("latin-1").lower()
    if media_type.startswith("image/") or media_type == "application/octet-stream":
        images = [SentImage("image-1", body)] if body else []
    elif media_type == "multipart/form-data":
        images = _from_form(body, options, most=most)
    elif media_type == "application/json":
        images = _from_json(body, most=most)
    else:
        what = f"The type {media_type[:60]!r} is" if media_type else "A body without a Content-Type is"
        raise Problem("unsupported-media-type", f"{what} not read.", LEAST_REMEDY, headers={"Accept-Post": ACCEPTED})
    if not images:
        raise Problem("invalid-input", "The request holds no image.", LEAST_REMEDY)
    return images


def _from_json(body: bytes, *, most: int) -> list[SentImage]:
    sent = read_json(body, Images).images
    _check_count(len(sent), most)
    return [SentImage(f"image-{number}", data) for number, data in enumerate(sent, start=1)]


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise Problem("invalid-input", f"The request holds {count} images; at most {most} are taken.", "Send fewer.")


@dataclass(slots=True)
class _FormPart:
    """What is known of the part of a form that is being read."""

    headers: dict[str, bytes] = field(default_factory=dict)
    name: bytes = b""
    value: bytes = b""
    header_bytes: int = 0
    content: list[bytes] = field(default_factory=list)


class _Form:
    """The images of a form, collected while its parser calls."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.images: list[SentImage] = []
        self._parts = 0
        self._part = _FormPart()
        self.is_whole = False

    def callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._name,
            "on_header_value": self._value,
            "on_header_end": self._end_header,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._whole,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self.most + MOST_PARTS_BESIDE:
            raise Problem("invalid-input", f"The form has more than {self._parts - 1} parts.", "Send fewer.")
        self._part = _FormPart()

    def _count(self, start: int, end: int) -> None:
        self._part.header_bytes += end - start
        if self._part.header_bytes > MOST_PART_HEADERS:
            raise Problem("bad-request", "The headers of a part of the form are too large.")

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._count(start, end)
        self._part.name += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._count(start, end)
        self._part.value += data[start:end]

    def _end_header(self) -> None:
        part = self._part
        part.headers[part.name.decode("latin-1").lower()] = part.value
        part.name = part.value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._part.content.append(data[start:end])

    def _end(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition", b""))
        if options.get(b"name") != FIELD.encode():
            return
        _check_count(len(self.images) + 1, self.most)
        name = options.get(b"filename", b"").decode("utf-8", "replace") or f"image-{len(self.images) + 1}"
        self.images.append(SentImage(name, b"".join(self._part.content)))

    def _whole(self) -> None:
        self.is_whole = True


def _from_form(body: bytes, options: Mapping[bytes, bytes], *, most: int) -> list[SentImage]:
    boundary = options.get(b"boundary")
    if not boundary:
        raise Problem("bad-request", "The form's Content-Type states no boundary.")
    form = _Form(most)
    try:
        parser = python_multipart.MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Problem("bad-request", f"The form is not well made: {error}.") from error
    if not form.is_whole:
        raise Problem("bad-request", "The form ends before its last boundary.")
    return form.images


def routes(service: Service) -> list[Route]:
    """The route, bound to what answers."""
    return [Route("/v1/predict", partial(_predict, service), methods=["POST"])]


async def _predict(service: Service, request: Request) -> Response:
    await service.stand()
    asked = read_query(request.query_params.multi_items())
    served = service.models.find(asked.model)
    settings = service.settings
    with service.slots.take() as slot:
        body = await read_body(request, most=settings.body_bytes)
        images = read_images(body, request.headers.get("content-type", ""), most=settings.images)
        work = predict(service.engine, served, images, asked, recorder=service.recorder)
        with service.metrics.counting_refused(served.name):
            predicted = await slot.within(settings.answer_seconds, work, request.receive)
    service.metrics.count_images(served.name, predicted.outcomes)
    return json_response(predicted.document)


@dataclass(frozen=True, slots=True)
class PredictionDocument:
    """The document that answers a request, and how its images ended."""

    document: Document
    outcomes: Sequence[str]  # a verdict, `answered` or `refused`, for each image


async def predict(
    engine: AnswerEngine,
    served: ServedModel,
    images: Sequence[SentImage],
    asked: PredictQuery,
    *,
    recorder: Recorder | None = None,
) -> PredictionDocument:
    """The predictions document about some images.

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
        await _add_boxes(engine, served, images, rows, asked)
    document: Document = {
        "schema": SCHEMA_VERSION,
        "model": model_document(served),
        "predictions": rows,
        "account": _account(images, classified),
    }
    return PredictionDocument(document, outcomes=[_outcome(row) for row in rows])


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


def _outputs(served: ServedModel, asked: PredictQuery) -> list[str]:
    if asked.explain == "evidence" and "evidence" not in served.outputs:
        raise Problem("invalid-input", f"The model {served.name!r} gives no evidence.", "Ask without `explain`.")
    names = ["probabilities", *(["novelty"] if "novelty" in served.outputs else [])]
    return [*names, *(["evidence"] if asked.explain == "evidence" else [])]


def _row(image: SentImage, one: Classified, outcome: Prediction | ImageError, asked: PredictQuery) -> Row:
    """One image's row of the document."""
    answer = Answer(path=image.name, outcome=outcome, notes=one.read.notes, digest=one.read.digest, size=one.read.size)
    row: Row = {**answer.written(top=asked.top).as_json()}
    if asked.explain == "evidence":
        row["why"] = _why(outcome, one.rows, asked) if isinstance(outcome, Prediction) else None
    return row


def decide_rows(served: ServedModel, rows: Mapping[str, Floats]) -> Prediction:
    """The prediction that a model's outputs for one image amount to."""
    novelty = float(rows["novelty"]) if "novelty" in rows else None
    return decide(rows["probabilities"], served.metadata, novelty=novelty)


def _why(prediction: Prediction, rows: Mapping[str, Floats], asked: PredictQuery) -> dict[str, Json]:
    return {"regions": regions_as_json(rows["evidence"], prediction, labels_shown(prediction, asked.top))}


def _account(images: Sequence[SentImage], classified: Sequence[Classified]) -> Document:
    account = Account()
    for image, one in zip(images, classified, strict=True):
        if one.error is None:
            account.used += 1
        else:
            account.refused.append(Entry(image.name, one.error.code, one.error.cause))
    return account.as_json()


async def _add_boxes(
    engine: AnswerEngine, served: ServedModel, images: Sequence[SentImage], rows: Sequence[Row], asked: PredictQuery
) -> None:
    """Add `size` and `boxes` to the rows without an error; one search at a time, for it takes much memory."""
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
    read = engine.pool.decode(image.data, framing=None)
    if read.error is not None:
        raise UnusableImages(read.error.cause, read.error.remedy)
    located = search_image(find, image.name, read.pixels())
    if located.error is not None:
        raise Problem("invalid-input", located.error.sentence)
    document = as_json(located)
    return {"size": document["size"], "boxes": document["boxes"]}
