"""Decoded pixels and features on disk: made once, memory-mapped, checked before they are trusted, bounded in size."""

import contextlib
import functools
import json
import os
import secrets
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ResourceError
from vidi.files import LOCK, TEMPORARY_PREFIX, digest_of, escape_path, try_lock, writing_error
from vidi.images.framing import Framing
from vidi.machine import memory_bytes

if TYPE_CHECKING:
    from filelock import BaseFileLock

Array = NDArray[np.uint8]
Shape = tuple[int, ...]
Kind = type[np.uint8] | type[np.float32]

LIMIT_BYTES = 10 * 10**9
ENDING = ".pixels"
LAYOUT = 3  # raised whenever the same digests and framing would give other bytes
HEADER_BYTES = 4096  # one page, so that the pixels after it are aligned
SHARE_OF_MEMORY = 0.25  # that one array may take where the cache cannot be used
BLOCK_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One cached array on disk."""

    path: Path
    byte_count: int
    last_used: int  # greater is later; a counter, so that no clock decides


def cache_folder() -> Path:
    """Return the cache's folder: `VIDI_CACHE`, else the system's place for caches."""
    if named := os.environ.get("VIDI_CACHE"):
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "vidi"


@functools.cache
def _spare_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder for one process, deleted at its end."""
    return tempfile.TemporaryDirectory(prefix="vidi-", ignore_cleanup_errors=True)


def kept_or_spare(make: Callable[[Path], Path], folder: Path) -> Path:
    """Return what `make` writes into the cache's folder or, if it refuses, into one for this process alone.

    Args:
        make: writes into the folder that it is given, and returns what it wrote.
    """
    try:
        return make(folder)
    except ResourceError as error:
        if not isinstance(error.__cause__, OSError):  # too large, wherever it lies
            raise
        return make(Path(_spare_folder().name))


def pixels_key(digests: Sequence[str | None], framing: Framing, *, decoding: str = "") -> str:
    """The name of the pixels of these files under this framing: 64 hex digits.

    Args:
        digests: SHA-256 of each file's bytes; None for an image that is refused.
        decoding: what else decides the pixels (background, how damage is treated).
    """
    settings = json.dumps([LAYOUT, asdict(framing), decoding], sort_keys=True)
    return digest_of("\n".join([settings, *(digest or "-" for digest in digests)]).encode())


def features_key(pixels: str, *, weights: str, engine: str) -> str:
    """The name of the features that a network makes of some pixels: 64 hex digits.

    Args:
        pixels: what `pixels_key` gave.
        engine: what computed them; another one's last bits differ.
    """
    return digest_of(json.dumps([LAYOUT, "features", pixels, weights, engine]).encode())


class PixelCache:
    """A folder of decoded pixels that several processes may share.

    An entry is written under a name of its own and renamed when it is whole, so two writers of one entry do not
    meet: the later takes the name, with the same bytes. Beside a half-written file lies a lock that its writer holds;
    where the writer has died, the lock is free and both are cleared away.
    """

    def __init__(
        self, folder: Path, *, limit_bytes: int = LIMIT_BYTES, go_on: Callable[[str], None] | None = None
    ) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        # Told once, in a sentence, where the folder is full or refuses: arrays then lie elsewhere while this object
        # lives. None: that is an error.
        self.go_on = go_on
        self.used: set[str] = set()  # keys of what was found or kept through this object
        self.elsewhere: dict[str, NDArray[Any]] = {}  # what could not be kept in the folder
        self._has_told = False

    def find(self, key: str, shape: Shape | None, kind: Kind = np.uint8) -> NDArray[Any] | None:
        """The array under a key, read-only and memory-mapped, after its checksum was verified.

        A damaged or foreign entry is removed and counts as absent: it will be made again.

        Args:
            key: what `pixels_key` or `features_key` gave.
            shape: (images, height, width, 3) of pixels, (images, features) of features; None: as it was kept.
            kind: uint8 for pixels, float32 for features.
        """
        if key in self.elsewhere:
            return self.elsewhere[key]
        path = self._path(key)
        try:
            kept = _shape_if_sound(path, key, shape, kind)
            if kept is None:
                path.unlink(missing_ok=True)
                return None
            with contextlib.suppress(OSError):  # a folder that may only be read
                self._touch(path)
            self.used.add(key)
            return np.memmap(path, kind, "r", HEADER_BYTES, kept)
        except (OSError, ValueError):
            return None  # removed by another process meanwhile, or not readable: it will be made again

    def find_bytes(self, key: str) -> bytes | None:
        """What `keep_bytes` kept under a key, checked as arrays are; None where it is absent or damaged."""
        found = self.find(key, None)
        return None if found is None else found.tobytes()

    def keep_bytes(self, key: str, data: bytes) -> None:
        """Keep some bytes under a key.

        Raises:
            ResourceError: no room for them, or the folder refuses.
        """
        with self.building((len(data),)) as building:
            building.pixels[:] = np.frombuffer(data, np.uint8)
            building.keep(key)

    def has_room(self, byte_count: int) -> bool:
        """Whether this many bytes fit without deleting anything."""
        return sum(entry.byte_count for entry in self.entries()) + byte_count <= self.limit_bytes

    @contextlib.contextmanager
    def building(self, shape: Shape, kind: Kind = np.uint8) -> Iterator["Building | UncachedArray"]:
        """An array to fill; `Building.keep` gives it its name. What was not kept is removed at the end.

        Raises:
            ResourceError: no room for it, or the folder refuses, and there is nowhere else.
        """
        with contextlib.ExitStack() as opened:
            building: Building | UncachedArray
            try:
                building = opened.enter_context(self._in_folder(shape, kind))
            except ResourceError as error:
                building = UncachedArray(self, self.spare_array(shape, kind, error))
            except OSError as error:
                building = UncachedArray(self, self.spare_array(shape, kind, writing_error(error, self.folder)))
            yield building

    def spare_array(self, shape: Shape, kind: Kind, refusal: ResourceError) -> NDArray[Any]:
        """An array outside the folder: in a temporary file, or in memory where there is no room for one.

        Args:
            refusal: why the folder cannot be used; raised where nobody wants to go on without it.
        """
        if self.go_on is None:
            raise refusal
        if not self._has_told:
            self._has_told = True
            self.go_on(f"going on without the cache: {refusal.cause}; VIDI_CACHE names another folder for it")
        size = _size(shape, kind)
        try:
            with tempfile.TemporaryFile(prefix="vidi-") as stream:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(stream.fileno(), 0, size)
                else:
                    stream.truncate(size)
                return np.memmap(stream, kind, "r+", 0, shape)
        except (OSError, ValueError):
            if size > memory_bytes() * SHARE_OF_MEMORY:
                raise refusal from None
            return np.zeros(shape, kind)

    @contextlib.contextmanager
    def _in_folder(self, shape: Shape, kind: Kind) -> Iterator["Building"]:
        self.clear_leftovers()
        size = _size(shape, kind)
        self._make_room(size)
        with self._begin() as path:
            _reserve(path, size)
            yield Building(self, path, shape, kind)

    @contextlib.contextmanager
    def _begin(self) -> Iterator[Path]:
        """The path of a file to write, held by this process; whatever lies there at the end is removed."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise writing_error(error, self.folder) from error
        lock = None
        while lock is None:  # one who clears up may take a lock that was just made
            path = self.folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{ENDING}"
            lock = try_lock(_lock_of(path))
        try:
            yield path
        finally:
            _remove_held(path, lock)

    def entries(self) -> list[CacheEntry]:
        """What the folder holds, least recently used first."""
        found = []
        for path in self.folder.glob(f"[!.]*{ENDING}"):
            with contextlib.suppress(OSError):  # removed by another process meanwhile
                status = path.stat()
                found.append(CacheEntry(path, status.st_size, status.st_mtime_ns))
        return sorted(found, key=lambda entry: (entry.last_used, entry.path.name))

    def remove(self, key: str) -> None:
        """Delete one entry; arrays that are mapped stay readable where the system allows it (not on Windows)."""
        if self.elsewhere.pop(key, None) is None:
            self._path(key).unlink(missing_ok=True)

    def remove_used(self) -> None:
        """Delete every entry that was found or kept through this object."""
        for key in self.used:
            self.remove(key)

    def clear(self) -> int:
        """Delete every entry, and return how many bytes that freed."""
        freed = 0
        for entry in self.entries():
            entry.path.unlink(missing_ok=True)
            freed += entry.byte_count
        self.clear_leftovers()
        return freed

    def clear_leftovers(self) -> None:
        """Delete what writers that have died left half written."""
        for found in self.folder.glob(f"{TEMPORARY_PREFIX}*{ENDING}*"):
            path = found.with_name(found.name.removesuffix(LOCK))
            with contextlib.suppress(ResourceError):
                lock = try_lock(_lock_of(path))
                if lock is not None:
                    _remove_held(path, lock)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{ENDING}"

    def _touch(self, path: Path) -> None:
        """Make this the last used entry."""
        last = max((entry.last_used for entry in self.entries()), default=0)
        os.utime(path, ns=(last + 1, last + 1))

    def _make_room(self, size: int) -> None:
        """Delete what was not used for longest until the new entry fits the bound."""
        if size > self.limit_bytes:
            raise ResourceError(
                f"the decoded pixels take {size:,} bytes, and the cache may hold {self.limit_bytes:,}",
                "Choose a smaller `--imgsz`, or fewer images.",
            )
        entries = self.entries()
        held = sum(entry.byte_count for entry in entries)
        for entry in entries:
            if held + size <= self.limit_bytes:
                break
            entry.path.unlink(missing_ok=True)
            held -= entry.byte_count


class Building:
    """An array being written; nobody else sees it before `keep`."""

    def __init__(self, cache: PixelCache, path: Path, shape: Shape, kind: Kind) -> None:
        self.cache, self.path, self.shape, self.kind = cache, path, shape, kind
        self.pixels: np.memmap[Any, Any] = np.memmap(path, kind, "r+", HEADER_BYTES, shape)

    def keep(self, key: str) -> NDArray[Any]:
        """Flush it to disk, give it its name, and return it read-only.

        Raises:
            ResourceError: the disk refuses.
        """
        checksum = _checksum(self.pixels.view(np.uint8))
        header = json.dumps({"layout": LAYOUT, "key": key, "shape": self.shape, "checksum": checksum})
        final = self.cache._path(key)
        try:
            self.pixels.flush()
            with self.path.open("r+b") as stream:
                stream.write(header.encode().ljust(HEADER_BYTES))
                stream.flush()
                os.fsync(stream.fileno())
            del self.pixels  # Windows gives no new name to a file that is mapped
            os.replace(self.path, final)
            self.cache._touch(final)
            self.cache.used.add(key)
        except OSError as error:
            written = np.memmap(self.path, self.kind, "r", HEADER_BYTES, self.shape)
            spare = UncachedArray(
                self.cache, self.cache.spare_array(self.shape, self.kind, writing_error(error, final))
            )
            spare.pixels[:] = written
            return spare.keep(key)
        return np.memmap(final, self.kind, "r", HEADER_BYTES, self.shape)


class UncachedArray:
    """An array being written for which the cache's folder has no place: it lasts as long as the cache's object."""

    def __init__(self, cache: PixelCache, pixels: NDArray[Any]) -> None:
        self.cache, self.pixels = cache, pixels

    def keep(self, key: str) -> NDArray[Any]:
        """Give it its name, and return it read-only."""
        self.pixels.flags.writeable = False
        self.cache.elsewhere[key] = self.pixels
        return self.pixels


def _shape_if_sound(path: Path, key: str, shape: Shape | None, kind: Kind) -> Shape | None:
    """The shape of what a file holds; None where it is damaged, or not what was asked for."""
    with path.open("rb") as stream:
        text = stream.read(HEADER_BYTES)
    try:
        header = json.loads(text)
    except ValueError:
        return None
    # The whole page is compared, so that a flipped bit in its blanks is noticed too.
    if not isinstance(header, dict) or json.dumps(header).encode().ljust(HEADER_BYTES) != text:
        return None
    kept = header.get("shape") if shape is None else list(shape)
    wanted = {"layout": LAYOUT, "key": key, "shape": kept}
    if not isinstance(kept, list) or {**header, **wanted} != header or path.stat().st_size != _size(tuple(kept), kind):
        return None
    values = np.memmap(path, np.uint8, "r", HEADER_BYTES)
    return tuple(kept) if header.get("checksum") == _checksum(values) else None


def _size(shape: Shape, kind: Kind) -> int:
    return HEADER_BYTES + int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize


def _checksum(values: Array) -> int:
    """CRC-32 of an array's bytes, by blocks."""
    flat = values.reshape(-1)
    checksum = 0
    for start in range(0, len(flat), BLOCK_BYTES):
        checksum = zlib.crc32(flat[start : start + BLOCK_BYTES].data, checksum)
    return checksum


def _reserve(path: Path, size: int) -> None:
    """Take the disk space now: a full disk must be an error here, not a crash when a mapped page is written."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle, 0, size)
            else:
                os.ftruncate(handle, size)
        finally:
            os.close(handle)
    except OSError as error:
        folder = escape_path(path.parent)
        failure = writing_error(error, path)
        raise ResourceError(
            f"{failure.cause}; the decoded pixels take {size:,}",
            f"Make space in {folder}, or let VIDI_CACHE name another folder.",
        ) from error


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + LOCK)


def _remove_held(path: Path, lock: "BaseFileLock") -> None:
    """Delete a half-written file and its lock, which this process holds."""
    for leftover in (path, _lock_of(path)):
        with contextlib.suppress(OSError):  # Windows deletes nothing that is open: the next to clear up does
            leftover.unlink(missing_ok=True)
    lock.release()
