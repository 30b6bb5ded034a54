"""Work in shards: each is done once, by any worker's process, and its result lies in a file of its own."""

import contextlib
import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from vidi.errors import ResourceError, UsageError
from vidi.files import escape_path, remove_leftovers, write_atomic
from vidi.images.store import ImageStore, stamp_within

DECIDING: Final = ("vidi", "ray", "numpy", "pillow", "onnxruntime")  # packages whose versions decide the last bits

Work = Callable[[ImageStore, Sequence[str]], bytes]  # what is done with some paths of a store


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What all shards of a command have in common."""

    folder: str  # what relative paths are relative to
    versions: tuple[tuple[str, str], ...]  # of the computer that started the work, by package
    make: Callable[..., Work]  # a function of a module that gives the work
    given: tuple[Any, ...]  # references to its arguments


def do_shard(job: Job, stores: Sequence[Any], paths: Sequence[str]) -> bytes:
    """Do a shard; a task of Ray. What a job needs is made once in each process.

    Raises:
        ResourceError: this computer's versions are not those of the one that started the work.
        VidiError: the work failed.
    """
    return _work_of(job)(_fetched(stores[0]), paths)


@lru_cache(maxsize=1)
def _work_of(job: Job) -> Work:
    require_versions(platform.node(), installed_versions(), dict(job.versions))
    with contextlib.suppress(OSError):  # another computer may not have it: absolute paths need none
        os.chdir(job.folder)
    return job.make(*import_module("ray").get(list(job.given)))


@lru_cache(maxsize=1)
def _fetched(store: Any) -> ImageStore:
    found: ImageStore = import_module("ray").get(store)
    return found


def installed_versions() -> dict[str, str]:
    """The versions that decide the answers, by package; empty where one is not installed."""
    found = {}
    for name in DECIDING:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def require_versions(node: str, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Refuse a node whose versions are not those of the computer that started the work.

    Raises:
        ResourceError: they differ; the node and the packages are named.
    """
    differing = [
        f"{name} {found.get(name) or 'none'} instead of {said or 'none'}"
        for name, said in wanted.items()
        if found.get(name) != said
    ]
    if differing:
        raise ResourceError(
            f"the node {node} has {', '.join(differing)}: its answers could differ",
            "Install the same versions on every node.",
        )


PLAN: Final = "plan.json"
MOST_ATTEMPTS: Final = 4  # at one shard
IMAGES_IN_SHARD: Final = 256


class ShardLostError(Exception):
    """Every worker that did a shard was lost, or its computer."""


class ShardFolder:
    """The results so far, a file for each shard; a stopped command goes on with them."""

    def __init__(self, folder: Path, plan: str, *, identity: Callable[[int], str] | None = None) -> None:
        """Open a folder.

        Args:
            folder: made where it is not there.
            plan: what the shards are of; a folder of another plan is refused.
            identity: what a shard's images are now; a result of others is not taken. Asked once for each shard.

        Raises:
            UsageError: the folder holds the shards of other work, or other things.
            ResourceError: it cannot be written.
        """
        self.folder = folder
        place = folder / PLAN
        if place.exists():
            if place.read_text("utf-8") != plan:
                raise UsageError(
                    f"{escape_path(folder)} holds the shards of other work",
                    "Delete it, or give the same model, images and options again.",
                )
        elif folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{escape_path(folder)} holds other things than shards", "Write to another place.")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomic(place, plan)
        remove_leftovers(folder)
        self._identity = identity
        self._names: dict[int, str] = {}
        self._earlier: dict[int, list[Path]] = {}
        for found in folder.glob("shard-*"):
            self._earlier.setdefault(int(found.name.split("-")[1]), []).append(found)

    def path(self, number: int) -> Path:
        """The file of a shard."""
        if number not in self._names:
            identity = "" if self._identity is None else f"-{self._identity(number)}"
            self._names[number] = f"shard-{number:08}{identity}"
        return self.folder / self._names[number]

    def has(self, number: int) -> bool:
        """Whether a shard is done."""
        return self.path(number).exists()

    def put(self, number: int, data: bytes) -> None:
        """Write a shard's result whole, under its name, in the place of one of what the images were before."""
        path = self.path(number)
        write_atomic(path, data)
        for earlier in self._earlier.pop(number, ()):
            if earlier != path:
                earlier.unlink(missing_ok=True)

    def get(self, number: int) -> bytes:
        """A shard's result."""
        try:
            return self.path(number).read_bytes()
        except OSError as error:
            raise ResourceError(
                f"{escape_path(self.path(number))} cannot be read: {os.strerror(error.errno or 0)}",
                "Give the same command again; shards that are there are not computed again.",
            ) from error


def plan_of(facts: Mapping[str, object]) -> str:
    """What shards are of, as text that is equal for equal work."""
    return json.dumps(dict(facts), sort_keys=True, indent=1) + "\n"


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """Paths of one store, for one worker."""

    store: ImageStore
    paths: Sequence[str]

    def identity(self) -> str:
        """Sixteen hex digits that change with the paths, and with size or time of a file where the store knows them."""
        stamps = [stamp_within(self.store, path) for path in self.paths]
        return digest_of_texts([*self.paths, *stamps])[:16]


def split_paths(store: ImageStore, paths: Sequence[str], *, most: int) -> list[Shard]:
    """Cut the paths of a store into shards.

    >>> from vidi.images.store import BytesStore
    >>> [shard.paths for shard in split_paths(BytesStore({}), ["a", "b", "c"], most=2)]
    [['a', 'b'], ['c']]
    """
    return [Shard(store, paths[start : start + most]) for start in range(0, len(paths), most)]


def digest_of_texts(texts: Sequence[str]) -> str:
    """SHA-256 of a list of texts, 64 hex digits."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()
