"""Boxes in the images of a request, as `vidi locate --json` gives them."""

from collections.abc import Sequence
from functools import partial

from vidi.errors import ModelError, VidiError
from vidi.serving.asked import Asked
from vidi.serving.engine.engine import AnswerEngine
from vidi.serving.models.served import ServedModel
from vidi.serving.problems import Problem, UnusableImages
from vidi.serving.routes.bodies import SentImage
from vidi.serving.routes.rows import Row
from vidi.workflows.locating.output import as_json
from vidi.workflows.locating.search import Find, finder, search_image
from vidi.workflows.requests.locate import LocateRequest


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
