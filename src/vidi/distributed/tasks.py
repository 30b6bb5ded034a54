"""Shards of a store's images: their paths, and what tells whether a file has changed since."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vidi.images.store import ImageStore, stamp_within

IMAGES_IN_SHARD: Final = 256


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

    >>> from vidi.data.inputs import BytesStore
    >>> [shard.paths for shard in split_paths(BytesStore({}), ["a", "b", "c"], most=2)]
    [['a', 'b'], ['c']]
    """
    return [Shard(store, paths[start : start + most]) for start in range(0, len(paths), most)]


def digest_of_texts(texts: Sequence[str]) -> str:
    """SHA-256 of a list of texts, 64 hex digits."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()
