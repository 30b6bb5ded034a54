"""The images of the open project: which there are, small and large pictures of them, and what is said of them."""

import asyncio
import getpass
from collections.abc import Callable
from typing import Annotated, Final, Literal

import numpy as np
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.app.columns import Rows
from vidi.app.gallery import Gallery
from vidi.app.pages import HEADERS, Endpoint
from vidi.app.picture import picture_response
from vidi.app.state import AppState
from vidi.app.view import Query, Snapshot, choose_rows, columns, counts
from vidi.data.labels import Kind
from vidi.data.project import Project
from vidi.data.thumbnails import Thumbnails
from vidi.errors import ImageError
from vidi.files import digest_of
from vidi.images.decode import decode_image
from vidi.report.pictures.thumbnails import LONGER_SIDE, thumbnail_file
from vidi.serving.bodies import json_response, read_body, read_json
from vidi.serving.problems import Problem
from vidi.workflows.interaction.request import labels_of
from vidi.workflows.requests.data import DataRequest

MOST_BODY: Final = 2_000_000  # bytes: the rows of 200,000 images
MOST_AT_ONCE: Final = 500  # images that one answer describes
MOST_DIGESTS: Final = 500  # in a query
FOREVER: Final = {**HEADERS, "Cache-Control": "private, max-age=31536000, immutable"}  # a digest's image never changes
Key = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", max_length=32)]


class Said(Struct):
    """An answer about images."""

    stamp: str  # of the list that the rows are of
    rows: list[int]
    key: Key
    kind: Kind | Literal["suggested"]
    labels: list[str] = []
    exact: bool = True  # of copies: only files with the same bytes are


def routes(state: AppState) -> list[Route]:
    """The routes about images and labels."""

    def gallery() -> Gallery:
        return state.kept(gallery_of)

    def documents(take: Callable[[Request, Gallery], dict[str, object]]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            return json_response(await asyncio.to_thread(lambda: take(request, gallery())))

        return endpoint

    def pictures(take: Callable[[Request, Gallery], Response]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            return await asyncio.to_thread(lambda: take(request, gallery()))

        return endpoint

    async def say(request: Request) -> Response:
        said = read_json(await read_body(request, most=MOST_BODY), Said)
        return json_response(await asyncio.to_thread(lambda: _say(gallery(), said)))

    return [
        Route("/api/1/images", documents(_images)),
        Route("/api/1/images/{id}", documents(_one)),
        Route("/api/1/thumbs/{id}", pictures(_thumbnail)),
        Route("/api/1/image/{id}", pictures(_picture)),
        Route("/api/1/findings", documents(lambda _, one: _summary(one, one.now())), methods=["GET"]),
        Route("/api/1/findings", documents(_look_again), methods=["POST"]),
        Route("/api/1/labels", say, methods=["POST"]),
        Route("/api/1/labels/undo", documents(lambda _, one: _answered(one, one.undo())), methods=["POST"]),
    ]


def gallery_of(project: Project) -> Gallery:
    """The images of a project.

    Raises:
        Problem: they are gone.
    """
    labels = labels_of(DataRequest(source=str(project.source)))
    if labels is None:
        raise Problem("not-found", f"{project.source} is not there.", "Bring the images back, or open another one.")
    return Gallery.open(project.source, labels, who=getpass.getuser())


def _summary(gallery: Gallery, now: Snapshot | None) -> dict[str, object]:
    """What stands around the images: their classes and findings with counts, and what the background does."""
    progress, trouble = gallery.progress, gallery.progress.trouble
    return {
        "stamp": gallery.stamp,
        "stage": progress.stage,
        "done": progress.done,
        "total": progress.total,
        "trouble": None if trouble is None else f"{trouble.cause}. {trouble.remedy}",
        "has_suspects": progress.has_suspects,
        "can_undo": gallery.can_undo,
        **({"images": 0, "classes": [], "filters": {}} if now is None else counts(now)),
    }


def _images(request: Request, gallery: Gallery) -> dict[str, object]:
    """The images of a query in its order, with the first of them described; or the rows that are asked for."""
    asked, now = request.query_params, gallery.now()
    if now is None:
        return {**_summary(gallery, None), "order": [], "described": {}}
    if "rows" in asked:
        _check_stamp(gallery, asked.get("stamp", ""))
        rows = _rows_of(now, [int(one) for one in asked["rows"].split(",") if one.isdigit()])
        return {"described": columns(now, rows[:MOST_AT_ONCE], stamp=gallery.stamp)}
    digests = tuple(one for one in asked.get("digests", "").split(",") if one)
    if len(digests) > MOST_DIGESTS or not all(map(_is_digest, digests)):
        raise Problem("invalid-input", f"digests is not a list of up to {MOST_DIGESTS} SHA-256 digests.")
    query = Query(
        filters=tuple(one for one in asked.get("filter", "").split(",") if one),
        classes=tuple(asked.getlist("class")),
        text=asked.get("text", ""),
        digests=digests,
        sort=asked.get("sort", ""),
    )
    rows, first, count = choose_rows(now, query), _number(asked.get("from", "0")), _number(asked.get("n", "200"))
    described = columns(now, rows[first : first + min(count, MOST_AT_ONCE)], stamp=gallery.stamp)
    return {**_summary(gallery, now), "order": rows.tolist(), "described": described}


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _rows_of(now: Snapshot, rows: list[int]) -> Rows:
    found = np.array(rows, np.int64)
    if len(found) and (found.min() < 0 or found.max() >= len(now.images)):
        raise Problem("invalid-input", "There is no such row.", "Load the page again.")
    return found


def _check_stamp(gallery: Gallery, stamp: str) -> None:
    if stamp != gallery.stamp:
        raise Problem("conflict", "The images have changed meanwhile.", "Look at them again.")


def _one(request: Request, gallery: Gallery) -> dict[str, object]:
    """What is known of one image beside its columns: its size, and its copies."""
    row, now = gallery.row(request.path_params["id"]), gallery.now()
    assert now is not None  # noqa: S101  # it has the row
    height, width, byte_count = now.found.sizes[row].tolist()
    group = now.found.groups[1, row]
    copies = np.flatnonzero(now.found.groups[1] == group) if group >= 0 else np.zeros(0, np.int64)
    copies = copies[copies != row][:MOST_AT_ONCE]
    return {
        "described": columns(now, np.array([row]), stamp=gallery.stamp),
        "size": [height, width] if height else None,
        "bytes": byte_count,
        "note": now.found.notes.get(row, ""),
        "copies": columns(now, copies, stamp=gallery.stamp),
    }


def _thumbnail(request: Request, gallery: Gallery) -> Response:
    """A small picture, made where it is not kept."""
    name, kept = request.path_params["id"], Thumbnails.in_cache()
    found = kept.find(name) if _is_digest(name) else None
    if found is None:
        data = _bytes_of(gallery, name)
        digest = digest_of(data)
        found = kept.find(digest)
        if found is None:
            try:
                found = thumbnail_file(decode_image(data, at_least=(LONGER_SIDE, LONGER_SIDE)).image)
            except ImageError as error:
                raise Problem("unusable-image", error.cause, error.remedy) from error
            kept.keep(digest, found)
        if digest != name:  # it was named by its row, or has changed: the address may mean another one tomorrow
            return Response(found, media_type="image/webp", headers=HEADERS)
    return Response(found, media_type="image/webp", headers=FOREVER)


def _picture(request: Request, gallery: Gallery) -> Response:
    name = request.path_params["id"]
    response = picture_response(_bytes_of(gallery, name))
    if "." in name:
        response.headers["Cache-Control"] = HEADERS["Cache-Control"]
    return response


def _bytes_of(gallery: Gallery, name: str) -> bytes:
    try:
        return gallery.read(gallery.row(name))
    except ImageError as error:
        raise Problem("unusable-image", error.cause, error.remedy) from error


def _look_again(_: Request, gallery: Gallery) -> dict[str, object]:
    """Images that were brought meanwhile, and what a job has found, are looked for in the background."""
    gallery.look_again()
    return _summary(gallery, gallery.now())


def _say(gallery: Gallery, said: Said) -> dict[str, object]:
    """Keep an answer; it is on the disk when this returns."""
    _check_stamp(gallery, said.stamp)
    now = gallery.now()
    assert now is not None  # noqa: S101  # it has a stamp
    rows = _rows_of(now, said.rows)
    if said.kind == "suggested":
        done, lost = gallery.take_suggestions(rows, key=said.key)
    elif said.kind == "copy":
        done, lost = gallery.keep_one(rows, key=said.key, exact=said.exact)
    else:
        done, lost = gallery.answer(rows, said.kind, said.labels, key=said.key)
    return {**_answered(gallery, rows), "count": done, "lost": lost}


def _answered(gallery: Gallery, rows: Rows) -> dict[str, object]:
    """What the page shows after an answer was kept, or taken back."""
    now = gallery.now()
    described = {} if now is None else columns(now, rows[:MOST_AT_ONCE], stamp=gallery.stamp)
    return {**_summary(gallery, now), "count": len(rows), "described": described}
