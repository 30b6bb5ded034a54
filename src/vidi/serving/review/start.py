"""`vidi review`: a review is opened, and its page served on this computer until a signal ends it."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from msgspec import Meta, Struct
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
from vidi.serving.auth.access import AccessOptions, choose_rules, open_access
from vidi.serving.auth.middleware import AuthMiddleware
from vidi.serving.json_body import read_json
from vidi.serving.problems import Problem
from vidi.serving.protocol.incoming import Lifecycle
from vidi.serving.protocol.listen import Listening
from vidi.serving.protocol.server import run_server
from vidi.serving.review.documents import settings_document, view_document
from vidi.serving.routes.local_page import HEADERS, file_routes, local_app
from vidi.serving.routes.reading import json_response, read_body
from vidi.serving.settings import Settings
from vidi.workflows.interaction.events import Events
from vidi.workflows.requests.in_use import ReviewRequest
from vidi.workflows.review import commands_after, open_review
from vidi.workflows.reviewing.desk import ReviewDesk, ReviewView

Say = Callable[[str], None]
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
Key = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", max_length=32)]
Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


def serve_review(
    request: ReviewRequest,
    *,
    events: Events,
    environment: Mapping[str, str] | None = None,
    lifecycle: Lifecycle | None = None,
) -> None:
    """Serve the review page to this computer until a signal ends it.

    Args:
        request: what to review, and by whom.
        events: receives lines for people.
        environment: variables of the process; its own by default.
        lifecycle: ends the server, besides a signal.

    Raises:
        UsageError: the options contradict each other, or the port cannot be used.
        DataError: there is nothing to review.
        ModelError: the model file cannot be trusted.
        ResourceError: the log or the file of labels cannot be used.
    """
    environment = os.environ if environment is None else environment
    with contextlib.ExitStack() as stack:
        desk = stack.enter_context(open_review(request, events=events, environment=environment))
        # Loopback alone, whatever stands in the environment: no token, no certificate, no other host.
        access = open_access(choose_rules(AccessOptions(port=request.port), {}), {}, datetime.now(UTC))
        after = commands_after(request)
        app = review_app(desk, Middleware(AuthMiddleware, access.rules, access.lock), after=after)
        run_server(
            app,
            Settings(),
            listen=access.listen,
            lifecycle=lifecycle or Lifecycle(),
            ready=lambda listening: _tell(listening, desk, events.say),
        )
    events.say("stopped: every answer that was given is kept; what now:")
    for command in after:
        events.say(f"  {command}")


def _tell(listening: Listening, desk: ReviewDesk, say: Say) -> None:
    count = len(desk.source.items())
    say(f"{desk.source.title}: {count:,} images to review, as {desk.reviewer}")
    say(f"open {listening.urls[0]}/")
    say("It answers only programs on this computer. Ctrl-C stops it.")


def review_app(desk: ReviewDesk, *middleware: Middleware, after: Sequence[str] = ()) -> Starlette:
    """Return the app of a review.

    Args:
        desk: what gives images and keeps answers.
        middleware: that keeps requests out.
        after: commands that the page names when nothing is left.
    """
    return local_app(
        [
            *file_routes(WEB, FILES),
            Route("/settings", _settings(desk, after)),
            Route("/images/{digest}", _image(desk)),
            Route("/next", _step(desk, Step, _next), methods=["POST"]),
            Route("/answers", _step(desk, OfAnswer, _answer), methods=["POST"]),
            Route("/undo", _step(desk, Step, _undo), methods=["POST"]),
            Route("/show", _step(desk, OfImage, _show), methods=["POST"]),
        ],
        *middleware,
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


class Step(Struct):
    """What a window of the page sends with each step."""

    window: Key


class OfImage(Step):
    """A step to an image."""

    digest: str


class OfAnswer(OfImage):
    """An answer."""

    key: Key
    kind: Kind
    labels: list[str]


def _next(desk: ReviewDesk, step: Step) -> ReviewView:
    return desk.next(step.window)


def _answer(desk: ReviewDesk, step: OfAnswer) -> ReviewView:
    desk.answer(step.window, step.digest, key=step.key, kind=step.kind, labels=step.labels)
    return desk.next(step.window)


def _undo(desk: ReviewDesk, step: Step) -> ReviewView:
    return desk.undo(step.window)


def _show(desk: ReviewDesk, step: OfImage) -> ReviewView:
    return desk.show(step.window, step.digest)


Sent = TypeVar("Sent", bound=Step)


def _step(desk: ReviewDesk, kind: type[Sent], take: Callable[[ReviewDesk, Sent], ReviewView]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if request.headers.get("content-type") != "application/json":  # no page of another site can send this unasked
            raise Problem("unsupported-media-type", "The page sends application/json.")
        step = read_json(await read_body(request, most=MOST_BODY), kind)
        view = await asyncio.to_thread(take, desk, step)
        return json_response(view_document(view, desk.source.classes))

    return endpoint
