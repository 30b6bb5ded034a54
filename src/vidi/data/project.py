"""A project: a folder with `project.json`, which says where its images are; every verb takes it as data.

plants/project.json    schema, name and source
plants/images/         images that were dropped or taken here; beside a source of its own, which is never changed, those
                       that were corrected in the app: they are read with it
plants/labels.jsonl    what people said of images that lie here; of others it is beside them
plants/runs/           trainings
plants/models/         models in use, by name
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from vidi.errors import DataError, UsageError
from vidi.files import escape_path, folder_name, read_json, reserve_folder, write_atomic, writing_error

PROJECT, IMAGES, LABELS, RUNS, MODELS = "project.json", "images", "labels.jsonl", "runs", "models"
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project of this computer."""

    folder: Path
    name: str
    source: Path  # of its images

    @property
    def owns_images(self) -> bool:
        """Whether its images lie in it, so that more may be added."""
        return self.source == self.folder / IMAGES

    @property
    def kept_beside(self) -> tuple[Path, ...]:
        """The folder of images that it keeps beside those that it reads in place; nothing without any."""
        folder = self.folder / IMAGES
        return () if self.owns_images or not folder.is_dir() or not any(folder.iterdir()) else (folder,)

    @property
    def runs(self) -> Path:
        """Where its trainings are."""
        return self.folder / RUNS

    @property
    def models(self) -> Path:
        """Where its models in use are."""
        return self.folder / MODELS


def is_project(path: str | Path) -> bool:
    """Whether a path is a folder with `project.json`."""
    return (Path(path) / PROJECT).is_file()


def read_project(folder: Path) -> Project:
    """Read a project.

    Raises:
        UsageError: the folder is none.
        DataError: its `project.json` cannot be read.
    """
    folder = Path(os.path.abspath(folder))
    path = folder / PROJECT
    if not path.is_file():
        raise UsageError(f"{escape_path(folder)} is no project", f"A project is a folder with {PROJECT}: `vidi app`.")
    try:
        found = read_json(path)
        if found["schema"] != SCHEMA:
            raise ValueError(f"schema {found['schema']!r}")
        return Project(folder=folder, name=str(found["name"]), source=folder / str(found["source"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{escape_path(path)} is damaged: {error}", "Restore it, or make a new project.") from error


def project_around(folder: Path) -> Project | None:
    """The project in whose `runs` or `models` a folder is; None where it is in none.

    Raises:
        DataError: its `project.json` cannot be read.
    """
    around = Path(os.path.abspath(folder)).parent.parent
    return read_project(around) if is_project(around) else None


def find_moved(path: str, project: Project) -> str:
    """Where a path is that was written down before its project was moved or copied; the path itself where it is lost.

    What was in the project is found by the end of its path.
    """
    old = Path(path)
    if not old.is_absolute() or old.exists():
        return path
    ends = (project.folder.joinpath(*old.parts[-count:]) for count in range(1, len(old.parts)))
    return str(next((one for one in ends if one.exists()), path))


def make_project(parent: Path, name: str, *, source: Path | None = None) -> Project:
    """Make a project in a folder of its own.

    Args:
        parent: of all projects; made where it is missing.
        name: for people; the folder's name comes from it.
        source: images that are read where they lie, an absolute path; or the name of an archive that will be brought
            into the project; None: images will be.

    Raises:
        ResourceError: it cannot be written.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(os.path.abspath(reserve_folder(parent, folder_name(name))))
        if source is None:
            (folder / IMAGES).mkdir()
    except OSError as error:
        raise writing_error(error, parent) from error
    made = Project(folder=folder, name=name, source=folder / (IMAGES if source is None else source))
    write_project(made)
    return made


def write_project(project: Project) -> None:
    """Write what `project.json` says; raises `ResourceError` where that cannot be done."""
    is_inside = project.source.parent == project.folder
    source = project.source.name if is_inside else str(project.source)
    document = {"schema": SCHEMA, "name": project.name, "source": source}
    write_atomic(project.folder / PROJECT, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def list_projects(parent: Path) -> list[Project]:
    """The projects of a folder, the one that was worked on last first; damaged ones are left out."""
    found = list[tuple[float, Project]]()
    if not parent.is_dir():
        return []
    for folder in parent.iterdir():
        try:
            if is_project(folder):
                found.append((max(one.stat().st_mtime for one in (folder, folder / PROJECT)), read_project(folder)))
        except (OSError, DataError):
            continue
    return [project for _, project in sorted(found, key=lambda one: -one[0])]


def sources_of(path: str) -> tuple[str, tuple[str, ...]]:
    """Where images are read from, and where more are kept beside those.

    Of a project it is its source, and where that is read in place the folder of what was brought or corrected in the
    app; of anything else it is the path itself.
    """
    if not is_project(path):
        return path, ()
    project = read_project(Path(path))
    return str(project.source), tuple(map(str, project.kept_beside))
