"""What the routes of the app share: who is at the page, the project that is open, and what lives as long as it does."""

import getpass
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from vidi.data.project import Project, list_projects
from vidi.serving.problems import Problem
from vidi.serving.protocol.incoming import Lifecycle

PROJECTS = "VIDI_PROJECTS"  # the variable that names the folder of the projects

T = TypeVar("T")


@runtime_checkable
class Closing(Protocol):
    """What is ended with its project."""

    def close(self) -> None:
        """End what goes on in the background."""


def projects_folder(environment: Mapping[str, str]) -> Path:
    """Where projects are made: `~/vidi`, or what VIDI_PROJECTS names."""
    return Path(environment.get(PROJECTS) or Path.home() / "vidi")


class AppState:
    """One running app. One project is open at a time; everything that belongs to it goes with it. Safe for threads."""

    def __init__(
        self,
        *,
        projects: Path,
        project: Project | None = None,
        environment: Mapping[str, str] | None = None,
        lifecycle: Lifecycle | None = None,
    ) -> None:
        """
        Args:
            projects: the folder in which projects are made.
            project: that is open; None: the person chooses one.
            environment: variables of the process; its own by default.
            lifecycle: says that the server is stopping.
        """
        self.projects, self.project = projects, project
        self.environment = os.environ if environment is None else environment
        self.lifecycle = lifecycle or Lifecycle()
        self.who = getpass.getuser()
        self._lock = threading.RLock()
        self._kept: dict[object, object] = {}

    def open(self, project: Project) -> None:
        """Open a project; what belonged to another one is dropped."""
        with self._lock:
            self.close()
            self.project = project

    def close(self) -> None:
        """Drop what was made of the open project; what works in the background is ended."""
        with self._lock:
            for one in self._kept.values():
                if isinstance(one, Closing):
                    one.close()
            self._kept.clear()

    def need_project(self) -> Project:
        """The project that is open.

        Raises:
            Problem: none is.
        """
        if self.project is None:
            raise Problem("not-found", "No project is open.", "Open one at the start page.")
        return self.project

    def kept(self, make: Callable[[Project], T]) -> T:
        """What a function makes of the open project: made at the first call, and the same until another is opened.

        Raises:
            Problem: none is open.
        """
        with self._lock:
            project = self.need_project()
            if make not in self._kept:
                self._kept[make] = make(project)
            return self._kept[make]  # type: ignore[return-value]

    def list_projects(self) -> list[Project]:
        """The projects of this computer, the one that was worked on last first."""
        return list_projects(self.projects)
