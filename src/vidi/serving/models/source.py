"""A served model's file, kept open in place of its bytes: a search for boxes, which needs them, reads them again."""

import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from vidi.errors import ModelError
from vidi.files import escape_path
from vidi.model_file.read import ModelFile, find_model, read_model_bytes

PIECE_BYTES = 1 << 20  # that are held at once while a file is sent


class ModelSource:
    """A model file that is held open, so that it can be read again after another was put in its place."""

    def __init__(self, path: Path) -> None:
        """Open it; where an open file cannot be replaced (Windows), it is only looked for again.

        Args:
            path: the file, or the run folder that holds it.

        Raises:
            ModelError: it is not there.
        """
        self.path = find_model(path)
        self.byte_count = self.path.stat().st_size
        self._stream: BinaryIO | None = None
        self._lock = threading.Lock()
        if os.name == "posix":
            try:
                self._stream = self.path.open("rb")
            except OSError as error:
                raise ModelError(f"{escape_path(self.path)}: {error.strerror}", "Check its permissions.") from error
            weakref.finalize(self, self._stream.close)

    def read(self, digest: str) -> ModelFile:
        """The file, judged again. Safe to call from several threads.

        Args:
            digest: that it must have.

        Raises:
            ModelError: it was changed or is gone.
        """
        try:
            model = read_model_bytes(self._bytes(), self.path)
        except OSError as error:
            raise ModelError(f"{escape_path(self.path)}: {error.strerror}", "Put the model file back.") from error
        if model.digest != digest:
            raise ModelError(
                f"{escape_path(self.path)} is no longer the model that is served", "Replace model files by renaming."
            )
        return model

    def parts(self) -> Iterator[bytes]:
        """The file's bytes as they stand now, piece by piece and not judged. Safe to call from several threads.

        Raises:
            OSError: the file is gone.
        """
        position = 0
        while piece := self._piece(position):
            yield piece
            position += len(piece)

    def _piece(self, position: int) -> bytes:
        if self._stream is None:
            with self.path.open("rb") as stream:
                stream.seek(position)
                return stream.read(PIECE_BYTES)
        with self._lock:
            self._stream.seek(position)
            return self._stream.read(PIECE_BYTES)

    def _bytes(self) -> bytes:
        if self._stream is None:
            return self.path.read_bytes()
        with self._lock:
            self._stream.seek(0)
            return self._stream.read()
