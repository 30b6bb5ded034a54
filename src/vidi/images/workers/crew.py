"""Worker processes that live as long as a server: bytes of image files in, images out, from any thread."""

import contextlib
import threading
import time
from functools import lru_cache
from types import TracebackType
from typing import Self

from vidi.errors import ImageError, ResourceError
from vidi.images.decode import DEFAULT, file_too_large
from vidi.images.framing import Framing
from vidi.images.limits import DecodeOptions
from vidi.images.reading import ReadImage
from vidi.images.workers.memory import SharedMemory
from vidi.images.workers.process import WorkerProcess, died, too_slow
from vidi.images.workers.wire import BYTE_COUNT, image_bytes, pack_work, unpack_answer

TRIES = 2  # the machine may kill a worker for reasons of its own; the second death in a row is the file's fault
WALL_FACTOR = 2.0  # times `Limits.seconds` from the first try to the last answer
_START_SECONDS = 30.0
_CLOCK_SECONDS = 0.5  # how often hanging and dead workers are looked for, and a failed start is tried again
_KEPT = 1 << 20  # bytes of shared memory that a large file or image does not have to give back

_pack_wish = lru_cache(64)(pack_work)


class DecodeCrew:
    """Long-lived worker processes that decode what they are handed. Safe to use from several threads.

    A crash, a hang or too much memory costs the image at hand: it is answered with an error, and the worker replaced.
    """

    def __init__(self, count: int, *, options: DecodeOptions = DEFAULT) -> None:
        """Store what `start` needs.

        Args:
            count: worker processes.
            options: limits and rules of decoding.
        """
        self.count, self.options = count, options
        self.deaths = 0  # of workers, for whatever reason, since the start
        self._members: list[_Member] = []
        self._free: list[_Member] = []  # the last one that worked is taken first: its memory is warm
        self._fallen: list[_Member] = []
        self._changed = threading.Condition()
        self._look = threading.Event()
        self._is_stopped = False
        self._keeper = threading.Thread(target=self._keep, name="vidi-crew", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def standing(self) -> int:
        """How many workers are alive and ready, free or at work."""
        with self._changed:
            return sum(member not in self._fallen and member.process.is_alive for member in self._members)

    def start(self) -> None:
        """Start all workers and wait until they are ready.

        Raises:
            ResourceError: one could not be started; none is left then.
        """
        self._members = [_Member(self.options) for _ in range(self.count)]
        try:
            for member in self._members:
                member.process.start()
            for member in self._members:
                member.process.await_ready()
        except ResourceError:
            self.stop()
            raise
        self._free = list(self._members)
        self._keeper.start()

    def decode(
        self, data: bytes | memoryview, *, framing: Framing | None = None, whole_for: Framing | None = None
    ) -> ReadImage:
        """Decode one file in a worker; waits for a free one.

        An image that ends its worker is tried once more; no image takes longer than twice `Limits.seconds`.

        Args:
            data: the bytes of an image file.
            framing: frame the image; without it the image comes whole.
            whole_for: without a framing: large JPEGs come at the reduced scale that serves this one.

        Returns:
            The image or its error, with an empty path. The image is the caller's own.

        Raises:
            ResourceError: the crew was stopped, or no worker can be started.
        """
        if len(data) > self.options.limits.file_bytes:
            return ReadImage(path="", error=file_too_large(len(data), self.options.limits), byte_count=len(data))
        wish = _pack_wish((framing, whole_for))
        code, due = 0, None
        for _ in range(TRIES):
            member = self._take()
            due = due or time.monotonic() + WALL_FACTOR * self.options.limits.seconds
            try:
                answer = member.ask(data, wish, due)
            except (EOFError, OSError):
                code, is_slow = self._give_up(member)
                if is_slow:
                    return self._refused(data, too_slow(self.options.limits))
            except BaseException:
                self._put_back(member)
                raise
            else:
                self._put_back(member)
                return answer
        return self._refused(data, died(code, TRIES))

    def stop(self) -> None:
        """End all processes; a `decode` under way in another thread ends with a ResourceError."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        self._look.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for member in self._members:
            member.process.kill()
        for member in self._members:
            with member.lock:
                member.process.bury()
                member.memory.close()
        self._members = []

    def wait_until_standing(self, seconds: float) -> bool:
        """Wait until all workers stand; whether they did in that time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._fallen, seconds)

    def _take(self) -> "_Member":
        with self._changed:
            # Whoever works is done when the clock says so; whoever fell is raised again.
            patience = 2 * WALL_FACTOR * self.options.limits.seconds + _START_SECONDS
            self._changed.wait_for(lambda: self._free or self._is_stopped, patience)
            if self._is_stopped:
                raise _stopped()
            if not self._free:
                raise ResourceError("No decoding process is free.", "Free some memory, or send fewer images at once.")
            return self._free.pop()

    def _put_back(self, member: "_Member") -> None:
        with self._changed:
            self._free.append(member)
            self._changed.notify()

    def _give_up(self, member: "_Member") -> tuple[int, bool]:
        """The exit code of a dead worker and whether a clock ended it; the keeper starts another in its place."""
        with member.lock:
            end = member.process.bury()
        with self._changed:
            if self._is_stopped:
                raise _stopped()
            self.deaths += 1
            self._fallen.append(member)
        self._look.set()
        return end

    def _keep(self) -> None:
        """Until the end: kill who hangs, and replace who is dead."""
        while not self._is_stopped:
            self._look.wait(_CLOCK_SECONDS)
            self._look.clear()
            for member in self._members:
                member.process.check_clock()
            for member in self._find_fallen():
                self._raise(member)

    def _find_fallen(self) -> list["_Member"]:
        """All who are dead, also those who died while they were free."""
        with self._changed:
            dead = [member for member in self._free if not member.process.is_alive]
            self._free = [member for member in self._free if member not in dead]
            self._fallen += dead
            self.deaths += len(dead)
            return list(self._fallen)

    def _raise(self, member: "_Member") -> None:
        with contextlib.suppress(ResourceError), member.lock:  # refused now: tried again at the next look
            if self._is_stopped:
                return
            member.process.bury()
            member.process.start()
            member.process.await_ready()
            with self._changed:
                self._fallen.remove(member)
                self._free.append(member)
                self._changed.notify_all()

    def _refused(self, data: bytes | memoryview, error: ImageError) -> ReadImage:
        return ReadImage(path="", error=error, byte_count=len(data))


class _Member:
    """One of the crew: a process, and the memory through which files go to it and images come back."""

    def __init__(self, options: DecodeOptions) -> None:
        lengths = _page(options.limits.file_bytes), _page(image_bytes(options.limits.pixels))
        self.memory = SharedMemory(sum(lengths))
        greeting = pack_work((options, self.memory.path, lengths))
        self.process = WorkerProcess("vidi.images.workers.bytes_worker", greeting, self.memory, own_group=True)
        self.lock = threading.Lock()  # held while the process or the memory is made or taken away
        self._given, self._left = lengths

    def ask(self, data: bytes | memoryview, wish: bytes, due: float) -> ReadImage:
        """The answer about one file.

        Raises:
            EOFError, OSError: the process has ended.
        """
        with self.lock:
            room = self.memory.room
            room[: len(data)] = data
            self.process.due = due
            try:
                self.process.send(BYTE_COUNT.pack(len(data)) + wish)
                read = unpack_answer(self.process.receive(), room[self._given :], "")
            finally:
                self.process.due = None
            self._tidy(len(data), read)
            return read

    def _tidy(self, byte_count: int, read: ReadImage) -> None:
        """Give back what only a large image needs."""
        if byte_count > _KEPT or (read.image is not None and read.image.nbytes > _KEPT):
            self.memory.give_back(_KEPT, self._given)
            self.memory.give_back(self._given + _KEPT, self._given + self._left)


def _page(byte_count: int) -> int:
    return -(-byte_count // 65536) * 65536


def _stopped() -> ResourceError:
    return ResourceError("The decoding was stopped.", "Start it again.")
