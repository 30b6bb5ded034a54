"""What runs in a worker's process: one shard after the other."""

import contextlib
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from vidi.errors import ResourceError
from vidi.images.store import ImageStore

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

    Args:
        job: which work.
        stores: a reference to the store.
        paths: names within it.

    Raises:
        ResourceError: this computer's versions are not those of the one that started the work.
        VidiError: the work failed.
    """
    return _work_of(job)(_fetched(stores[0]), paths)


@lru_cache(maxsize=1)
def _work_of(job: Job) -> Work:
    if differing := differing_versions(dict(job.versions), installed_versions()):
        raise versions_differ(platform.node(), differing)
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


def differing_versions(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """The packages whose versions differ, in words.

    >>> differing_versions({"ray": "2.50.0", "vidi": "1.0"}, {"ray": "2.51.0", "vidi": "1.0"})
    ['ray 2.51.0 instead of 2.50.0']
    """
    return [
        f"{name} {found.get(name) or 'none'} instead of {said or 'none'}"
        for name, said in wanted.items()
        if found.get(name) != said
    ]


def versions_differ(node: str, differing: Sequence[str]) -> ResourceError:
    """The refusal of a node for its versions."""
    return ResourceError(
        f"the node {node} has {', '.join(differing)}: its answers could differ",
        "Install the same versions on every node.",
    )
