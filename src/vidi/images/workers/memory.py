"""Memory that two processes share."""

import mmap
import os
import tempfile
from pathlib import Path


class SharedMemory:
    """Memory that a worker process can map by a path: nameless where the system offers that, else a temporary file."""

    def __init__(self, byte_count: int) -> None:
        self.handles: tuple[int, ...] = ()
        self._temporary: Path | None = None
        if hasattr(os, "memfd_create"):
            handle = os.memfd_create("vidi-decode")
            self.handles, self.path = (handle,), f"/proc/self/fd/{handle}"
        else:
            handle, self.path = tempfile.mkstemp(prefix="vidi-decode-")
            self._temporary = Path(self.path)
        self._handle = handle
        os.ftruncate(handle, byte_count)  # sparse: only pages that an image touches take memory
        self._map = mmap.mmap(handle, byte_count)
        self.room = memoryview(self._map)

    def give_back(self, start: int, stop: int) -> None:
        """Return these whole pages to the system, where it can be asked to; they hold zeros afterwards."""
        if hasattr(mmap, "MADV_REMOVE") and stop > start:
            self._map.madvise(mmap.MADV_REMOVE, start, stop - start)

    def close(self) -> None:
        """Give the memory back."""
        self.room.release()
        self._map.close()
        os.close(self._handle)
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
