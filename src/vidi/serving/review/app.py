"""The ASGI app of the review page: its files, the images, and what people answer."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast, get_args

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.errors import ImageError
from vidi.images.decode import decode_image
from vidi.images.encode import encode_jpeg, encode_png
from vidi.images.framing import fitted_size
from vidi.images.pixels.resize import resize
from vidi.labelling.opinions import Kind
from vidi.model_file.values import Json
from vidi.serving.json_body import list_in, object_in, parse_json_body, text_in
from vidi.serving.problems import Problem
from vidi.serving.review.documents import settings_document, view_document
from vidi.serving.routes.local_page import HEADERS, file_routes, local_app
from vidi.serving.routes.reading import json_response, read_body
from vidi.workflows.reviewing.desk import ReviewDesk, ReviewView

WEB: Final = Path(__file__).with_name("web")
FILES: Final[Mapping[str, tuple[str, str]]] = {  # path → file, media type
    "/": ("index.html", "text/html; charset=utf-8"),
    "/review.js": ("review.js", "text/javascript; charset=utf-8"),
    "/review.css": ("review.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
MOST_BODY: Final = 65_536  # bytes of an answer
MOST_SIDE: Final = (1_600, 1_600)  # pixels of an image on the page
SMALL: Final = 200  # pixels: images up to this size are sent without any loss
QUALITY: Final = 90
KEY: Final = re.compile(r"[0-9a-f]{32}")

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


def review_app(desk: ReviewDesk, *doors: Middleware, after: Sequence[str] = ()) -> Starlette:
    """Return the app of a review.

    Args:
        desk: what gives images and keeps answers.
        doors: middleware that keeps requests out.
        after: commands that the page names when nothing is left.
    """
    return local_app(
        [
            *file_routes(WEB, FILES),
            Route("/settings", _settings(desk, after)),
            Route("/images/{digest}", _image(desk)),
            *(Route(path, _step(desk, take), methods=["POST"]) for path, take in STEPS.items()),
        ],
        *doors,
    )


def _settings(desk: ReviewDesk, after: Sequence[str]) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return json_response(settings_document(desk, after=after))

    return endpoint


def _image(desk: ReviewDesk) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        data, media_type = await asyncio.to_thread(shown_image, desk, request.path_params["digest"])
        headers = {**HEADERS, "Cache-Control": "private, max-age=3600"}  # a digest's image never changes
        return Response(data, media_type=media_type, headers=headers)

    return endpoint


def shown_image(desk: ReviewDesk, digest: str) -> tuple[bytes, str]:
    """An image as the page shows it, decoded and coded again: upright, of a bounded size, without anything hidden.

    Returns:
        The bytes, and their media type.

    Raises:
        UsageError: the image is not reviewed here.
        Problem: it is gone, or cannot be used.
    """
    data = desk.image(digest)
    if data is None:
        raise Problem("not-found", "The image is no longer kept.", "Take another one.")
    try:
        image = decode_image(data, at_least=MOST_SIDE).image
    except ImageError as error:
        raise Problem("unusable-image", error.cause, error.remedy) from error
    size = (image.shape[0], image.shape[1])
    if max(size) <= SMALL:
        return encode_png(image), "image/png"
    if max(size) > max(MOST_SIDE):
        image = resize(image, fitted_size(size, MOST_SIDE))
    return encode_jpeg(image, quality=QUALITY), "image/jpeg"


Take = Callable[[ReviewDesk, str, Mapping[str, Json]], ReviewView]


def _next(desk: ReviewDesk, window: str, _: Mapping[str, Json]) -> ReviewView:
    return desk.next(window)


def _answer(desk: ReviewDesk, window: str, body: Mapping[str, Json]) -> ReviewView:
    kind = text_in(body.get("kind"), "`kind`")
    if kind not in get_args(Kind):
        raise Problem("bad-request", "`kind` is no kind of answer.", f"Use one of: {', '.join(get_args(Kind))}.")
    labels = [text_in(one, "each of `labels`") for one in list_in(body.get("labels"), "`labels`")]
    key = _hex(body, "key")
    desk.answer(window, text_in(body.get("digest"), "`digest`"), key=key, kind=cast(Kind, kind), labels=labels)
    return desk.next(window)


def _undo(desk: ReviewDesk, window: str, _: Mapping[str, Json]) -> ReviewView:
    return desk.undo(window)


def _show(desk: ReviewDesk, window: str, body: Mapping[str, Json]) -> ReviewView:
    return desk.show(window, text_in(body.get("digest"), "`digest`"))


STEPS: Final[Mapping[str, Take]] = {"/next": _next, "/answers": _answer, "/undo": _undo, "/show": _show}


def _step(desk: ReviewDesk, take: Take) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if request.headers.get("content-type") != "application/json":  # no page of another site can send this unasked
            raise Problem("unsupported-media-type", "The page sends application/json.")
        body = object_in(parse_json_body(await read_body(request, most=MOST_BODY)), "The body")
        view = await asyncio.to_thread(take, desk, _hex(body, "window"), body)
        return json_response(view_document(view, desk.source.classes))

    return endpoint


def _hex(body: Mapping[str, Json], name: str) -> str:
    text = text_in(body.get(name), f"`{name}`")
    if not KEY.fullmatch(text):
        raise Problem("bad-request", f"`{name}` should be 32 hexadecimal digits.", "Load the page again.")
    return text
