"""Thumbnails in the cache's folder: one file for each image, named by the digest of the image's own file."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path

from vidi.data.cache import cache_folder
from vidi.files import TEMPORARY_PREFIX

FOLDER = "thumbnails"
ENDING = ".webp"


class Thumbnails:
    """A folder of small pictures; several processes may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def in_cache(cls) -> "Thumbnails":
        """Those in the cache's folder."""
        return cls(cache_folder() / FOLDER)

    def find(self, digest: str) -> bytes | None:
        """The picture of the image with this digest; None where it was not made yet."""
        try:
            return self._path(digest).read_bytes()
        except OSError:
            return None

    def keep(self, digest: str, data: bytes) -> None:
        """Keep a picture, where the folder can be written; a file is whole or not there."""
        path = self._path(digest)
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(data)
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)

    def forget(self, digest: str) -> bool:
        """Delete the picture of an image, and give whether there was one."""
        try:
            self._path(digest).unlink()
        except FileNotFoundError:
            return False
        return True

    def clear(self) -> int:
        """Delete all pictures, and return how many bytes that freed."""
        freed = self.byte_count()
        shutil.rmtree(self.folder, ignore_errors=True)
        return freed

    def byte_count(self) -> int:
        """Bytes that the pictures take."""
        return sum(path.stat().st_size for path in self.folder.glob(f"*/*{ENDING}"))

    def _path(self, digest: str) -> Path:
        return self.folder / digest[:2] / f"{digest}{ENDING}"
