"""Worker processes that live as long as a server: bytes of image files in, images out, from any thread."""

import contextlib
import threading
import time
from functools import lru_cache
from types import TracebackType
from typing import Self

from vidi.errors import ImageError, ResourceError, VidiError
from vidi.files import digest_of
from vidi.images.decode import DEFAULT, file_too_large
from vidi.images.framing import Framing
from vidi.images.limits import DecodeOptions
from vidi.images.reading import ReadFile, ReadImage, read_one
from vidi.images.workers.forked import ForkServer, can_fork
from vidi.images.workers.memory import SharedMemory
from vidi.images.workers.process import WorkerProcess, died, too_slow
from vidi.images.workers.running import Running, spawn
from vidi.images.workers.wire import BYTE_COUNT, image_bytes, pack_work, unpack_answer

TRIES = 2  # the machine may kill a worker for reasons of its own; the second death in a row is the file's fault
WALL_FACTOR = 2.0  # times `Limits.seconds`, from the first try to the answer: a server's client is waiting
_LOOK_SECONDS = 0.5  # how often hanging and dead workers are looked for, and a failed start is tried again
_REPLACED_SECONDS = 5.0  # within which a dead worker is replaced, or there is no memory for another
_KEPT = 1 << 20  # bytes of shared memory that need not be given back after a large file or image
_ALIGNED = 1 << 16  # no system's pages are larger

_pack_wish = lru_cache(64)(pack_work)


class DecodeCrew:
    """Long-lived worker processes that decode what they are handed. Safe to use from several threads.

    A crash, a hang or too much memory costs the image at hand: it is answered with an error, and the worker replaced.
    """

    def __init__(
        self,
        count: int,
        *,
        options: DecodeOptions = DEFAULT,
        read: ReadFile = read_one,
        forked: bool | None = None,
    ) -> None:
        """Store what `start` needs.

        Args:
            count: worker processes.
            options: limits and rules of decoding.
            read: what is done with each file; a function of a module, so that a worker finds it by name.
            forked: fork workers from one process that has loaded the decoders, which takes milliseconds and shares
                memory, or start each from nothing; forked by default where the system can.
        """
        self.count, self.options = count, options
        self.deaths = 0  # of workers, for whatever reason, since the start
        self._read = read
        self._server = ForkServer() if (can_fork() if forked is None else forked) else None
        self._members: list[_Member] = []
        self._free: list[_Member] = []  # the last one that worked is taken first: its memory is warm
        self._fallen: list[_Member] = []
        self._changed = threading.Condition()
        self._look = threading.Event()
        self._is_stopped = True
        self._keeper: threading.Thread | None = None

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
            count = sum(member not in self._fallen and member.process.is_alive for member in self._members)
        if count < self.count:
            self._look.set()
        return count

    @property
    def working(self) -> int:
        """How many workers are decoding."""
        with self._changed:
            return len(self._members) - len(self._free) - len(self._fallen)

    @property
    def pids(self) -> tuple[int, ...]:
        """The numbers of all processes: the workers in the order of their places, then the one that forks them."""
        pids = [member.process.pid for member in self._members]
        if self._server is not None:
            pids.append(self._server.pid)
        return tuple(pid for pid in pids if pid is not None)

    def start(self) -> None:
        """Start all workers and wait until they are ready; nothing happens where they were started already.

        Raises:
            ResourceError: one could not be started; none is left then.
        """
        if self._members:
            return
        self._members = [_Member(self) for _ in range(self.count)]
        self._is_stopped = False
        try:
            for member in self._members:
                member.process.start()
            for member in self._members:
                member.process.await_ready()
        except VidiError:
            self.stop()
            raise
        self._free = list(self._members)
        self._keeper = threading.Thread(target=self._keep, name="vidi-crew", daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """End all processes; a `decode` under way in another thread ends with a ResourceError."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        self._look.set()
        for member in self._members:
            member.process.kill()
        if self._keeper is not None:
            self._keeper.join()
        for member in self._members:
            member.close()
        self._members, self._free, self._fallen, self._keeper = [], [], [], None
        if self._server is not None:
            self._server.close()

    def wait_until_standing(self, seconds: float) -> bool:
        """Wait until all workers stand again; whether they did in that time."""
        until = time.monotonic() + seconds
        with self._changed:
            while self.standing < self.count:
                if not self._changed.wait(min(_LOOK_SECONDS, until - time.monotonic())) and time.monotonic() > until:
                    return False
        return True

    def decode(
        self, data: bytes | memoryview, *, framing: Framing | None = None, whole_for: Framing | None = None
    ) -> ReadImage:
        """Decode one file in a worker; waits for a free one.

        A file on which a worker dies is tried once more. None keeps its workers for more than twice `Limits.seconds`.

        Args:
            data: the bytes of an image file.
            framing: frame the image; without it the image comes whole.
            whole_for: without a framing: large JPEGs come at the reduced scale that serves this one.

        Returns:
            The image or its error, with an empty path. The image is the caller's own, no shared memory.

        Raises:
            ResourceError: the crew is stopped, or no worker can be started.
            VidiError: the program failed in the worker.
        """
        if len(data) > self.options.limits.file_bytes:
            return _refused(data, file_too_large(len(data), self.options.limits))
        wish = _pack_wish((framing, whole_for))
        code, due = 0, None
        for _ in range(TRIES):
            member = self._take()
            due = due or time.monotonic() + WALL_FACTOR * self.options.limits.seconds
            try:
                read = member.ask(data, wish, due)
            except (EOFError, OSError):
                code, is_slow = self._give_up(member)
                if is_slow:
                    return _refused(data, too_slow(self.options.limits))
            except VidiError:
                self._put_back(member)
                raise
            except BaseException:  # such as Ctrl-C: its answer, when it comes, would be taken for the next file's
                self._give_up(member)
                raise
            else:
                self._put_back(member)
                return read
        return _refused(data, died(code, TRIES))

    def launch(self, memory: SharedMemory) -> Running:
        """A new process for one of the crew: forked where the system lets us, else started from nothing.

        Raises:
            OSError: the system refuses.
        """
        if self._server is not None:
            return self._server.fork(memory)
        return spawn("vidi.images.workers.inside.bytes_worker", memory.path, handles=memory.handles, own_group=True)

    def greeting(self, lengths: tuple[int, int]) -> bytes:
        """The first message to a new worker, with the bytes of shared memory for a file and for an image."""
        return pack_work((self.options, lengths, self._read))

    def _take(self) -> "_Member":
        """A free worker that is alive; waits while others have it."""
        with self._changed:
            while not self._is_stopped:
                while self._free:
                    member = self._free.pop()
                    if member.process.is_alive:
                        return member
                    self._mourn(member)
                # Whoever works is done when its clock says so, and whoever fell is soon replaced.
                none_stands = len(self._fallen) == self.count
                busy_seconds = 2 * WALL_FACTOR * self.options.limits.seconds
                if not self._changed.wait(_REPLACED_SECONDS if none_stands else busy_seconds):
                    raise ResourceError("No decoding process is free.", "Free some memory, or send fewer images.")
            raise _stopped()

    def _put_back(self, member: "_Member") -> None:
        with self._changed:
            self._free.append(member)
            self._changed.notify()

    def _give_up(self, member: "_Member") -> tuple[int, bool]:
        """The exit code of a dead worker and whether a clock ended it; the keeper puts another in its place."""
        end = member.bury()
        with self._changed:
            if self._is_stopped:
                raise _stopped()
            self._mourn(member)
        return end

    def _mourn(self, member: "_Member") -> None:
        self.deaths += 1
        self._fallen.append(member)
        self._look.set()
        self._changed.notify_all()  # who waits for a free one now waits for another reason

    def _keep(self) -> None:
        """Until the end: kill who hangs, and replace who is dead."""
        while not self._is_stopped:
            self._look.wait(_LOOK_SECONDS)
            self._look.clear()
            for member in self._members:
                member.process.check_clock()
            for member in self._find_fallen():
                self._replace(member)

    def _find_fallen(self) -> list["_Member"]:
        """All who are dead, also those who died while they were free."""
        with self._changed:
            if self._is_stopped:  # then their end was asked for
                return []
            for member in [one for one in self._free if not one.process.is_alive]:
                self._free.remove(member)
                self._mourn(member)
            return list(self._fallen)

    def _replace(self, member: "_Member") -> None:
        with contextlib.suppress(VidiError, OSError, MemoryError):  # refused now: tried again at the next look
            member.renew()
            with self._changed:
                self._fallen.remove(member)
                self._free.append(member)
                self._changed.notify_all()


class _Member:
    """One of the crew: a process, and the memory through which files go to it and images come back."""

    def __init__(self, crew: DecodeCrew) -> None:
        limits = crew.options.limits
        self._given, self._left = _whole(limits.file_bytes), _whole(image_bytes(limits.pixels))
        self._memory = SharedMemory(self._given + self._left)
        self.process = WorkerProcess(lambda: crew.launch(self._memory), crew.greeting((self._given, self._left)))
        self._lock = threading.Lock()  # held while the memory is used, and the process made or taken away
        self._is_closed = False

    def ask(self, data: bytes | memoryview, wish: bytes, due: float) -> ReadImage:
        """The answer about one file; `due` is when the process is killed, in seconds of time.monotonic().

        Raises:
            EOFError, OSError: the process has ended.
        """
        with self._lock:
            if self._is_closed:
                raise EOFError
            room = self._memory.room
            room[: len(data)] = data
            self.process.due = due
            try:
                self.process.send(BYTE_COUNT.pack(len(data)) + wish)
                read = unpack_answer(self.process.receive(), room[self._given :], "")
            finally:
                self.process.due = None
            if len(data) > _KEPT or (read.image is not None and read.image.nbytes > _KEPT):
                self._memory.give_back(_KEPT, self._given)
                self._memory.give_back(self._given + _KEPT, self._given + self._left)
            return read

    def bury(self) -> tuple[int, bool]:
        """The exit code of the dead process, and whether a clock ended it."""
        with self._lock:
            return self.process.bury()

    def renew(self) -> None:
        """Another process in the place of the dead one.

        Raises:
            VidiError: it could not be started.
        """
        with self._lock:
            if not self._is_closed:
                self.process.bury()
                self.process.start()
                self.process.await_ready()

    def close(self) -> None:
        """End the process and give the memory back."""
        with self._lock:
            self._is_closed = True
            self.process.bury()
            self._memory.close()


def _whole(byte_count: int) -> int:
    return -(-byte_count // _ALIGNED) * _ALIGNED


def _refused(data: bytes | memoryview, error: ImageError) -> ReadImage:
    return ReadImage(path="", error=error, digest=digest_of(data), byte_count=len(data))


def _stopped() -> ResourceError:
    return ResourceError("The decoding was stopped.", "Start it again.")
