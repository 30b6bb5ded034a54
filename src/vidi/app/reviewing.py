"""The routes of a review: of one that the terminal opened, or of the open project."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final, TypeVar

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.app.jobs import LOG
from vidi.app.pages import Endpoint
from vidi.app.picture import picture_response
from vidi.app.state import AppState
from vidi.data.checking.findings import ODD
from vidi.data.labels import Answer, Kind, Opinion
from vidi.data.project import Project
from vidi.errors import DataError
from vidi.files import escape_path
from vidi.labelling import Reason, Settled
from vidi.model_file.values import Json
from vidi.numbers import percent
from vidi.prediction.words import describe_answer
from vidi.registry import list_registered
from vidi.serving.bodies import json_response, read_body, read_json
from vidi.serving.problems import Problem
from vidi.workflows.requests.in_use import ReviewRequest
from vidi.workflows.review import ReviewDesk, ReviewView, open_review
from vidi.workflows.reviewing.items import ReviewItem

MOST_BODY: Final = 65_536  # bytes of an answer
Key = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", max_length=32)]
Find = Callable[[], ReviewDesk]  # may take long: nobody who waits for it holds up others


def routes(state: AppState) -> list[Route]:
    """The routes of the review of the open project.

    Args:
        state: of the app.
    """
    return review_routes(lambda: state.kept(ProjectReview).desk(dict(state.environment)))


class ProjectReview:
    """What a project has to review, opened when it is first asked for. Safe to use from several threads."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._opened = contextlib.ExitStack()
        self._desk: ReviewDesk | None = None

    def desk(self, environment: Mapping[str, str]) -> ReviewDesk:
        """The images that the project's log keeps; without any, those of its data. The most useful ones come first.

        Raises:
            DataError: there is nothing to review.
            ModelError: the model in use cannot be trusted.
            ResourceError: the log or the labels cannot be used.
        """
        with self._lock:
            if self._desk is None:
                self._desk = self._open(environment)
            return self._desk

    def _open(self, environment: Mapping[str, str]) -> ReviewDesk:
        log = self._project.folder / LOG
        if log.is_file():
            with contextlib.suppress(DataError):  # it keeps no image
                return self._opened.enter_context(open_review(ReviewRequest(log=str(log)), environment=environment))
        used = list_registered(self._project.models)
        asked = ReviewRequest(source=str(self._project.source), model=used[0].model if used else None)
        return self._opened.enter_context(open_review(asked, environment=environment))

    def close(self) -> None:
        """Close the log, if there is one."""
        self._opened.close()


def review_routes(find: Find, *, after: Sequence[str] = ()) -> list[Route]:
    """The routes of a review.

    Args:
        find: gives what gives images and keeps answers.
        after: commands that the page names when nothing is left.
    """
    return [
        Route("/api/1/review", _settings(find, after)),
        Route("/api/1/review/images/{digest}", _image(find)),
        Route("/api/1/review/next", _step(find, Step, _next), methods=["POST"]),
        Route("/api/1/review/answers", _step(find, OfAnswer, _answer), methods=["POST"]),
        Route("/api/1/review/undo", _step(find, Step, _undo), methods=["POST"]),
        Route("/api/1/review/show", _step(find, OfImage, _show), methods=["POST"]),
    ]


def _settings(find: Find, after: Sequence[str]) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return json_response(settings_document(await asyncio.to_thread(find), after=after))

    return endpoint


def _image(find: Find) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        desk = await asyncio.to_thread(find)
        data = await asyncio.to_thread(desk.image, request.path_params["digest"])
        return await asyncio.to_thread(picture_response, data)

    return endpoint


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


def _step(find: Find, kind: type[Sent], take: Callable[[ReviewDesk, Sent], ReviewView]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if request.headers.get("content-type") != "application/json":  # no page of another site can send this unasked
            raise Problem("unsupported-media-type", "The page sends application/json.")
        step = read_json(await read_body(request, most=MOST_BODY), kind)
        desk = await asyncio.to_thread(find)
        view = await asyncio.to_thread(take, desk, step)
        return json_response(view_document(view, desk.source.classes))

    return endpoint


MOST_FILES = 24  # copies that are shown
MOST_TOP = 9  # classes of the model's answer that are shown with their probabilities

OCCASIONS: Mapping[str, str] = {  # by occasion
    "conflicting-labels": "The same image has two labels: which one is right?",
    "suspect-labels": "Its label may be wrong: it looks like another class.",
    "exact-copies": "These files are exact copies: one of them is enough.",
    "near-copies": "These images are nearly the same: one of them may be enough.",
    "no-label": "It has no label.",
    "uncertain": "",
    **{kind: f"It is {words.partition(':')[0]}: is it of any use?" for kind, words in ODD.items()},
}
REASONS: Mapping[Reason, str] = {
    "people-disagree": "People disagree.",
    "unknown-class": "Somebody named a class that the model does not know.",
    "contradicts-sure": "Somebody contradicts a sure answer of the model.",
    "unlikely-label": "Somebody gave a label that the model finds very unlikely.",
    "doubtful-source": "The label comes from a source that others often contradict.",
    "over-share": "Its source has given more than its share.",
}


def settings_document(desk: ReviewDesk, *, after: Sequence[str] = ()) -> dict[str, Json]:
    """What stays the same while the page is open.

    Args:
        desk: of the review.
        after: commands for when nothing is left.
    """
    return {
        "title": desk.source.title,
        "classes": list(desk.source.classes),
        "multi_label": desk.source.multi_label,
        "reviewer": desk.reviewer,
        "after": list(after),
    }


def view_document(view: ReviewView, classes: Sequence[str]) -> dict[str, Json]:
    """What a window shows now."""
    return {
        "image": None if view.item is None else _shown(view.item, view.settled, classes),
        "disputes": [
            {"digest": one.digest, "opinions": [_opinion(said) for said in one.opinions]} for one in view.disputes
        ],
        "progress": {"images": view.progress.images, "left": view.progress.left, "yours": view.progress.yours},
        "can_undo": view.can_undo,
    }


def _shown(item: ReviewItem, settled: Settled | None, classes: Sequence[str]) -> dict[str, Json]:
    why = OCCASIONS[item.occasion]
    suggested = None if item.suggested is None else item.suggested[0]
    if settled is not None and settled.why is not None:
        why = REASONS[settled.why]
    return {
        "digest": item.digest,
        "name": item.name,
        "why": why,
        "given": list(item.given),
        "suggested": None if suggested is None or not set(suggested) <= set(classes) else list(suggested),
        "copies": item.copies,
        "files": [{"digest": one.digest, "name": escape_path(one.path)} for one in item.files[:MOST_FILES]],
        "file_count": len(item.files),
        **_seen(item, classes),
        "opinions": [] if settled is None else [_opinion(one) for one in settled.opinions],
    }


def _seen(item: ReviewItem, classes: Sequence[str]) -> dict[str, Json]:
    """What a model sees. The one that learned a doubtful label would repeat it, so the held-out answer stands alone."""
    if item.suggested is not None:
        labels, probability = item.suggested
        held_out: list[Json] = [_share(label, probability) for label in labels if label in classes]
        label = ", ".join(labels) or "none of the classes"
        answer = f"A model that did not learn from this image says {label}, {percent(probability)}."
        return {"verdict": None, "candidates": list(labels), "answer": answer, "top": held_out}
    if item.view is None:
        return {"verdict": item.verdict, "candidates": list(item.candidates), "answer": None, "top": []}
    is_known = item.verdict != "unknown"
    return {
        "verdict": item.verdict,
        "candidates": list(item.candidates) if is_known else [],
        "answer": f"The model says: {describe_answer(item.verdict, item.view.label[1], several=True)}",
        "top": _top(item.view.probabilities, classes, with_shares=is_known),
    }


def _top(rows: NDArray[np.float32], classes: Sequence[str], *, with_shares: bool) -> list[Json]:
    order = sorted(range(len(rows)), key=lambda index: (-float(rows[index]), index))
    return [_share(classes[index], float(rows[index]) if with_shares else None) for index in order[:MOST_TOP]]


def _share(label: str, probability: float | None) -> dict[str, Json]:
    return {"class": label, "share": "" if probability is None else percent(probability)}


def _opinion(one: Opinion) -> dict[str, Json]:
    who = one.source if one.via == "review" else f"client {one.source}"
    return {"who": who, "said": answer_words(one.answer)}


def answer_words(answer: Answer) -> str:
    """An answer as people read it.

    >>> answer_words(("label", ("cat", "dog"))), answer_words(("none", ()))
    ('cat, dog', 'none of these')
    """
    kind, labels = answer
    words = {"none": "none of these", "unclear": "cannot tell", "exclude": "left out", "copy": "left out as a copy"}
    return ", ".join(labels) if kind == "label" else words[kind]
