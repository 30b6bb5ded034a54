"""A served model's file, kept open in place of its bytes: a search for boxes, which needs them, reads them again."""

import os
import weakref
from pathlib import Path

from vidi.errors import ModelError
from vidi.files import escape_path
from vidi.model_file.read import ModelFile, find_model, read_model_bytes


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
        self._handle: int | None = None
        if os.name == "posix":
            try:
                self._handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise ModelError(f"{escape_path(self.path)}: {error.strerror}", "Check its permissions.") from error
            weakref.finalize(self, os.close, self._handle)

    def read(self, digest: str) -> ModelFile:
        """The file, judged anew. Safe to call from several threads.

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

    def _bytes(self) -> bytes:
        if self._handle is None:
            return self.path.read_bytes()
        size = os.fstat(self._handle).st_size
        parts, place = [], 0
        while place < size and (part := os.pread(self._handle, size - place, place)):
            parts.append(part)
            place += len(part)
        return b"".join(parts)
