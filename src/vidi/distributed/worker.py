"""A worker's process: it is made once, and then does one shard after the other."""

import contextlib
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from vidi.errors import ResourceError
from vidi.images.store import ImageStore

DECIDING: Final = ("vidi", "ray", "numpy", "pillow", "onnxruntime")  # packages whose versions decide the last bits

Work = Callable[[ImageStore, Sequence[str]], bytes]  # what is done with some paths of a store


class ShardWorker:
    """Does shards; runs in a worker's process."""

    def __init__(self, folder: str, versions: Mapping[str, str], make: Callable[..., Work], *given: Any) -> None:
        """
        Args:
            folder: what relative paths are relative to.
            versions: those of the computer that started the work.
            make: a function of a module that gives the work.
            given: its arguments.
        """
        with contextlib.suppress(OSError):  # another computer may not have it: absolute paths need none
            os.chdir(folder)
        self._differing = differing_versions(versions, installed_versions())
        self._work = None if self._differing else make(*given)
        self._store: tuple[int, ImageStore] | None = None

    def do(self, number: int, stores: Sequence[Any], paths: Sequence[str]) -> bytes:
        """Do a shard.

        Args:
            number: of the store; it is fetched once.
            stores: a reference to it.
            paths: names within it.

        Raises:
            ResourceError: this computer's versions are not those of the one that started the work.
            VidiError: the work failed.
        """
        if self._work is None:
            raise versions_differ(platform.node(), self._differing)
        if self._store is None or self._store[0] != number:
            self._store = (number, import_module("ray").get(stores[0]))
        return self._work(self._store[1], paths)


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
