"""Bringing images: files that are dropped or taken by a camera, a zip, a folder of this computer, or the examples."""

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.app.jobs import Jobs
from vidi.app.projects import describe
from vidi.app.state import AppState
from vidi.data.archives.members import is_archive_name, leads_outside
from vidi.data.known_sets.named import open_named_set
from vidi.data.project import IMAGES, Project, make_project
from vidi.errors import UsageError
from vidi.files import (
    TEMPORARY_PREFIX,
    digest_of_file,
    escape_path,
    folder_name,
    unescape_path,
    writing_error,
    written_atomically,
)
from vidi.images.scan import is_litter, is_other_file
from vidi.model_file.values import Json
from vidi.serving.bodies import json_response, read_body, read_json
from vidi.serving.problems import Problem

EXAMPLES: Final = "lfw-faces"
MOST_PART: Final = 16_000_000  # bytes of a file that one request brings
MOST_BODY: Final = 4_000_000  # bytes of a list of files
PILES: Final = "piles"  # in a project: images that were brought to be sorted, until the next ones
MOST_FOLDERS: Final = 2_000  # that are listed
MOST_LOOKED_AT: Final = 10_000  # files of a folder, to count its images
OUTSIDE_HOME: Final = ("/media", "/mnt", "/run/media", "/Volumes")


class NewProject(Struct):
    """A project to make; `archive` is the name of a zip that will be brought and read as it is."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    archive: Annotated[str, Meta(max_length=120)] | None = None


class NewPile(Struct):
    """Images to sort that are about to be brought: a folder of this name, or a zip."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    archive: Annotated[str, Meta(max_length=120)] | None = None


class KnownFiles(Struct):
    """Files that are about to be brought: path → SHA-256 of the bytes."""

    files: dict[str, str]
    pile: str = ""  # for the images of the project, or for this pile


def routes(state: AppState, *, is_shared: bool = False) -> list[Route]:
    """The routes that bring images; for others of the network those of the camera alone."""

    async def make(request: Request) -> Response:
        sent = read_json(await read_body(request, most=MOST_BODY), NewProject)
        project = await asyncio.to_thread(new_project, state.projects, sent.name, archive=sent.archive)
        state.open(project)
        return json_response(describe(project), status=201)

    async def example(_: Request) -> Response:
        project = await asyncio.to_thread(example_project, state.projects)
        state.open(project)
        return json_response(describe(project), status=201)

    async def known(request: Request) -> Response:
        sent = read_json(await read_body(request, most=MOST_BODY), KnownFiles)
        here = await asyncio.to_thread(known_files, state.need_project(), sent.files, pile=sent.pile)
        return json_response({"known": here})

    async def put(request: Request) -> Response:
        project, asked = state.need_project(), request.query_params
        data = await read_body(request, most=MOST_PART)
        position = {name: asked.get(name, "") for name in ("from", "size")}
        if not all(value.isdigit() and len(value) < 16 for value in position.values()):
            raise Problem("bad-request", "`from` and `size` are whole numbers.", "Reload the page.")
        start, size = int(position["from"]), int(position["size"])
        path = place_of(project, asked.get("path", ""), pile="" if is_shared else asked.get("pile", ""))
        await asyncio.to_thread(write_part, path, data, start=start, size=size, digest=asked.get("digest", ""))
        return json_response({"have": start + len(data)})

    async def pile(request: Request) -> Response:
        sent = read_json(await read_body(request, most=MOST_BODY), NewPile)
        jobs = state.kept(Jobs)
        made = await asyncio.to_thread(new_pile, jobs, sent.name, archive=sent.archive)
        return json_response(made, status=201)

    async def classes(_: Request) -> Response:
        found = await asyncio.to_thread(class_names, state.need_project())
        return json_response({"classes": found})

    async def folders(request: Request) -> Response:
        asked = request.query_params.get("path")
        return json_response(await asyncio.to_thread(list_folders, None if asked is None else Path(asked)))

    of_camera = [
        Route("/api/1/files", put, methods=["PUT"]),
        Route("/api/1/files/classes", classes, methods=["GET"]),
    ]
    if is_shared:
        return of_camera
    return [
        *of_camera,
        Route("/api/1/projects", make, methods=["POST"]),
        Route("/api/1/projects/example", example, methods=["POST"]),
        Route("/api/1/files/known", known, methods=["POST"]),
        Route("/api/1/piles", pile, methods=["POST"]),
        Route("/api/1/folders", folders, methods=["GET"]),
    ]


def new_project(parent: Path, name: str, *, archive: str | None = None) -> Project:
    """Make a project for images that are about to be brought.

    Args:
        parent: of all projects.
        name: for people.
        archive: name of a zip that is brought as it is; None: images come file by file.

    Raises:
        UsageError: the archive is of no kind that is read.
        ResourceError: it cannot be written.
    """
    if archive is None:
        return make_project(parent, name)
    if not is_archive_name(archive):
        raise UsageError(f"{escape_path(archive)} is no archive that is read", "Use .zip or .tar, or drop the folder.")
    return make_project(parent, name, source=Path(folder_name(archive)))


def new_pile(jobs: Jobs, name: str, *, archive: str | None = None) -> dict[str, Json]:
    """Make a folder in a project for images to sort; what was brought for an earlier sorting goes.

    Args:
        jobs: of the project.
        name: for people.
        archive: name of a zip that is brought as it is; None: images come file by file.

    Returns:
        `pile`, as files for it are sent; and `input`, as the sorting is asked for it.

    Raises:
        Problem: a sorting is running.
        ResourceError: the folder cannot be written.
    """
    jobs.require_free("predict")
    piles = jobs.project.folder / PILES
    try:
        shutil.rmtree(piles, ignore_errors=True)
        pile = piles / folder_name(name)
        pile.mkdir(parents=True)
    except OSError as error:
        raise writing_error(error, piles) from error
    path = pile if archive is None else pile / folder_name(archive)
    return {"pile": pile.name, "input": path.relative_to(jobs.project.folder).as_posix()}


def example_project(parent: Path) -> Project:
    """Make a project of 200 example photographs, 100 of them of faces.

    Raises:
        MissingPackageError: the package that carries them is not installed.
        ResourceError: it cannot be written.
    """
    folder = open_named_set(EXAMPLES).folder
    assert folder is not None  # noqa: S101  # such a set is written out as a folder
    project = make_project(parent, "example faces")
    try:
        shutil.copytree(folder, project.source, dirs_exist_ok=True)
    except OSError as error:
        raise writing_error(error, project.source) from error
    return project


def place_of(project: Project, path: str, *, pile: str = "") -> Path:
    """Where a file that is brought will lie: below the images of a project, or its archive; or in a pile to sort.

    Args:
        project: that is open.
        path: relative, with `/`, as the browser names it.
        pile: to which it belongs; "" for the project's images.

    Raises:
        UsageError: the path leads outside, or is that of a file that systems leave behind.
    """
    parts = PurePosixPath(path).parts
    if not parts or leads_outside(path) or any(is_litter(part) for part in parts):
        raise UsageError(f"{escape_path(path)} is no path of an image", "Leave it out.")
    names = [folder_name(part) for part in parts]
    if pile:
        if pile != folder_name(pile) or not (project.folder / PILES / pile).is_dir():
            raise UsageError(f"{escape_path(pile)} is no pile that is being brought", "Drop the images again.")
        return project.folder.joinpath(PILES, pile, *names)
    if not project.owns_images and project.source == project.folder / folder_name(path):
        return project.source
    return project.folder.joinpath(IMAGES, *names)


def known_files(project: Project, files: Mapping[str, str], *, pile: str = "") -> list[Json]:
    """The paths among these whose files lie in the project already, with the same bytes.

    Args:
        project: that is open.
        files: path → SHA-256, hex.
        pile: to which they belong; "" for the project's images.

    Raises:
        UsageError: a path leads outside.
    """
    places = {path: place_of(project, path, pile=pile) for path in files}
    return [path for path, place in places.items() if place.is_file() and digest_of_file(place) == files[path]]


def class_names(project: Project) -> list[Json]:
    """The classes of images that were brought into a project: the folders that they lie in."""
    images = project.folder / IMAGES
    return [unescape_path(one.name) for one in sorted(images.iterdir()) if one.is_dir()] if images.is_dir() else []


def write_part(path: Path, data: bytes, *, start: int, size: int, digest: str = "") -> None:
    """Keep a part of a file; with the last one the file takes its name, whole or not at all.

    Args:
        path: of the file.
        data: of the part.
        start: where the part begins, bytes.
        size: of the whole file, bytes.
        digest: SHA-256 of the whole file, hex; empty: it is not compared.

    Raises:
        Problem: parts before are missing, or the file is not what was sent.
        ResourceError: it cannot be written.
    """
    part = path.with_name(f"{TEMPORARY_PREFIX}{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if start == 0 and len(data) == size:
            with written_atomically(path) as temporary:
                temporary.write_bytes(data)
                _require_digest(temporary, digest)
            return
        if start and (not part.exists() or part.stat().st_size < start):
            raise Problem("conflict", "Parts of the file before this one are missing.", "Send it again from its start.")
        with part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            stream.write(data)
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())
        if start + len(data) >= size:
            _require_digest(part, digest)
            part.replace(path)
    except OSError as error:
        raise writing_error(error, path) from error


def _require_digest(path: Path, digest: str) -> None:
    if digest and digest_of_file(path) != digest:
        raise Problem("conflict", "The file changed on its way.", "Send it again.")


def list_folders(path: Path | None) -> dict[str, Json]:
    """The folders of a folder, for choosing one; below the home folder and where disks are mounted.

    Args:
        path: a folder; None: the home folder.

    Returns:
        `path`, `parent` (None where it may not be shown), `folders`, `archives`, and `images`: how many lie here or
        one folder down, at most `MOST_LOOKED_AT`.

    Raises:
        UsageError: it is no folder, or none that is shown.
    """
    roots = _roots()
    here = Path(os.path.abspath(roots[0] if path is None else path)).resolve()
    if not any(here.is_relative_to(root) for root in roots):
        raise UsageError(f"{escape_path(here)} is not shown here", "Name it in the terminal: `vidi app FOLDER`.")
    try:
        entries = sorted(here.iterdir(), key=lambda one: one.name.casefold())[:MOST_FOLDERS]
        shown = [one for one in entries if not is_litter(one.name)]
        folders = [one for one in shown if one.is_dir()]
        archives = [one for one in shown if is_archive_name(one.name) and one.is_file()]
    except OSError as error:
        raise UsageError(f"{escape_path(here)} cannot be read: {error.strerror}", "Choose another folder.") from error
    parent = here.parent if any(here.parent.is_relative_to(root) for root in roots) else None
    return {
        "path": str(here),
        "parent": None if parent is None or parent == here else str(parent),
        "roots": [str(root) for root in roots],
        "folders": [{"name": one.name, "path": str(one)} for one in folders],
        "archives": [{"name": one.name, "path": str(one)} for one in archives],
        "images": _count_images(here, folders),
    }


def _count_images(folder: Path, inner: list[Path]) -> int:
    count = 0
    for place in (folder, *inner):
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    count += not is_litter(entry.name) and not is_other_file(entry.name) and entry.is_file()
                    if count >= MOST_LOOKED_AT:
                        return count
        except OSError:
            continue
    return count


def _roots() -> list[Path]:
    """The folders below which folders are shown."""
    if sys.platform == "win32":
        drives = (Path(f"{letter}:\\") for letter in "CDEFGHIJKLMNOPQRSTUVWXYZ")
        return [Path.home().resolve(), *(drive for drive in drives if drive.exists())]
    return [Path.home().resolve(), *(Path(one) for one in OUTSIDE_HOME if Path(one).is_dir())]
