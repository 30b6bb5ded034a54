"""Worker processes for a folder or a server: bytes of image files in, images out, from any thread."""

import contextlib
import threading
import time
from collections.abc import Sequence
from typing import Self

from vidi.errors import ImageError, ResourceError, VidiError
from vidi.files import digest_of
from vidi.images.decode import DEFAULT, DecodeJob, ReadFile, ReadImage, read_one
from vidi.images.framing import Framing
from vidi.images.limits import DecodeOptions
from vidi.images.store import file_too_large
from vidi.images.workers.process import End, Worker, died, too_slow
from vidi.images.workers.wire import image_bytes, pack_work, slot_bytes

TRIES = 2  # the machine may kill a worker for reasons of its own; the second death in a row is the file's fault
# Times `Limits.seconds`: the clock counts processor time, and a worker that only waits is stopped after that many times
# as long, from the first try to the answer; a server's client is waiting.
WALL_FACTOR = 2.0
_LOOK_SECONDS = 0.5  # how often hanging and dead workers are looked for, and a failed start is tried again
_REPLACED_SECONDS = 5.0  # within which a dead worker is replaced, or there is no memory for another
_ALIGNED = 1 << 16  # no system's pages are larger

_LEAST_PIXELS = 1 << 24  # that a frame may have even where the limits allow images less


class DecodePool:
    """Worker processes that decode what they are handed. Safe to use from several threads.

    A crash, a hang or too much memory costs the image at hand: it is answered with an error, and the worker replaced.
    Of several files that were handed over together each is then asked again alone: only the bad one is refused.
    """

    def __init__(
        self,
        count: int,
        *,
        options: DecodeOptions = DEFAULT,
        read: ReadFile = read_one,
        wall_factor: float = WALL_FACTOR,
    ) -> None:
        """Store what `start` needs.

        Args:
            read: what is done with each file; a function of a module, so that a worker finds it by name.
            wall_factor: times `Limits.seconds`: how long one file may take by the clock on the wall.
        """
        self.count, self.options = count, options
        self._seconds = wall_factor * options.limits.seconds
        # Bytes of shared memory for files and for images.
        self.lengths = (
            _whole(options.limits.file_bytes),
            _whole(image_bytes(max(options.limits.pixels, _LEAST_PIXELS))),
        )
        self._one_by_one = False  # files are asked together, until that took too long once
        self.deaths = 0  # of workers, for whatever reason, since the start
        self._read = read
        self._members: list[Worker] = []
        self._free: list[Worker] = []  # the last one that worked is taken first: its memory is warm
        self._fallen: list[Worker] = []
        self._changed = threading.Condition()
        self._look = threading.Event()
        self._is_stopped = True
        self._keeper: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def standing(self) -> int:
        """How many workers are alive and ready, free or at work."""
        with self._changed:
            count = sum(member not in self._fallen and member.is_alive for member in self._members)
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
        """The numbers of the workers' processes, in the order of their places."""
        return tuple(pid for member in self._members if (pid := member.pid) is not None)

    def start(self) -> None:
        """Start all workers and wait until they are ready; nothing happens where they were started already.

        Raises:
            ResourceError: one could not be started; none is left then.
        """
        if self._members:
            return
        greeting = pack_work((self.options.limits, self.lengths, self._read))
        self._members = [Worker(self.lengths, greeting) for _ in range(self.count)]
        self._is_stopped = False
        try:
            for member in self._members:
                member.start()
            for member in self._members:
                member.await_ready()
        except VidiError:
            self.stop()
            raise
        self._free = list(self._members)
        self._keeper = threading.Thread(target=self._keep, name="vidi-pool", daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """End all processes; a `decode` under way in another thread ends with a ResourceError."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        self._look.set()
        for member in self._members:
            member.kill()
        if self._keeper is not None:
            self._keeper.join()
        for member in self._members:
            member.close()
        self._members, self._free, self._fallen, self._keeper = [], [], [], None

    def decode(self, data: bytes | memoryview, *, framing: Framing | None = None) -> ReadImage:
        """Decode one file in a worker, as `decode_each` does.

        Args:
            data: the bytes of an image file.
            framing: frame the image; without it the image comes whole.
        """
        return self.decode_each([data], DecodeJob(framing=framing, options=self.options))[0]

    def decode_each(self, files: Sequence[bytes | memoryview], job: DecodeJob) -> list[ReadImage]:
        """Decode files in a worker; waits for a free one.

        A file on which a worker dies is tried once more. None keeps its workers for longer than the pool's time for it.

        Args:
            files: the bytes of image files, at most `FILES_TOGETHER`.
            job: what is to be done with each, within the pool's own limits.

        Returns:
            The images or their errors, in order. The images are the caller's own, no shared memory.

        Raises:
            ResourceError: the pool is stopped, or no worker can be started.
            VidiError: the program failed in the worker.
        """
        limits = self.options.limits
        found = [
            _refused(data, file_too_large(len(data), limits.file_bytes)) if len(data) > limits.file_bytes else None
            for data in files
        ]
        asked = [place for place, read in enumerate(found) if read is None]
        if len(asked) > 1 and not self._one_by_one and self._has_room([files[place] for place in asked], job):
            together, end = self._ask(self._take(), [files[place] for place in asked], job, self._soon())
            for place, read in zip(asked, together, strict=False):  # those before the one that the worker died of
                found[place] = read
            self._one_by_one |= end is not None and end.is_slow
        return [read or self._ask_alone(data, job) for data, read in zip(files, found, strict=True)]

    def _ask_alone(self, data: bytes | memoryview, job: DecodeJob) -> ReadImage:
        due, end = None, None
        for _ in range(TRIES):
            member = self._take()
            due = due or time.monotonic() + self._seconds
            read, end = self._ask(member, [data], job, due)
            if end is None:
                return read[0]
            if end.is_slow:
                return _refused(data, too_slow(self.options.limits))
        return _refused(data, died(end.code if end else 0, TRIES))

    def _ask(
        self, member: Worker, files: Sequence[bytes | memoryview], job: DecodeJob, due: float
    ) -> tuple[list[ReadImage], End | None]:
        """The answers of a worker; where it died, those before, and its end."""
        done: list[ReadImage] = []
        try:
            member.ask(files, job, due, done)
        except (EOFError, OSError):
            return done, self._give_up(member)
        except VidiError:
            self._put_back(member)
            raise
        except BaseException:  # such as Ctrl-C: answers that come would be taken for the next files'
            self._give_up(member)
            raise
        self._put_back(member)
        return done, None

    def _soon(self) -> float:
        """When a worker is stopped that was asked about several files, in seconds of time.monotonic()."""
        return time.monotonic() + self.options.limits.seconds

    def _has_room(self, files: Sequence[bytes | memoryview], job: DecodeJob) -> bool:
        given, left = self.lengths
        return sum(map(len, files)) <= given and len(files) * slot_bytes(job) <= left

    def _take(self) -> Worker:
        """A free worker that is alive; waits while others have it."""
        with self._changed:
            while not self._is_stopped:
                while self._free:
                    member = self._free.pop()
                    if member.is_alive:
                        return member
                    self._reap_dead(member)
                # Whoever works is done when its clock says so, and whoever fell is soon replaced.
                none_stands = len(self._fallen) == self.count
                busy_seconds = 2 * self._seconds
                if not self._changed.wait(_REPLACED_SECONDS if none_stands else busy_seconds):
                    raise ResourceError("No decoding process is free.", "Free some memory, or send fewer images.")
            raise _stopped()

    def _put_back(self, member: Worker) -> None:
        with self._changed:
            self._free.append(member)
            self._changed.notify()

    def _give_up(self, member: Worker) -> End:
        """How a worker ended; the keeper puts another in its place."""
        end = member.reap()
        with self._changed:
            if self._is_stopped:
                raise _stopped()
            self._reap_dead(member)
        return end

    def _reap_dead(self, member: Worker) -> None:
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
                member.check_clock()
            for member in self._find_dead():
                self._replace(member)

    def _find_dead(self) -> list[Worker]:
        """All who are dead, also those who died while they were free."""
        with self._changed:
            if self._is_stopped:  # then their end was asked for
                return []
            for member in [one for one in self._free if not one.is_alive]:
                self._free.remove(member)
                self._reap_dead(member)
            return list(self._fallen)

    def _replace(self, member: Worker) -> None:
        with contextlib.suppress(VidiError, OSError, MemoryError):  # refused now: tried again at the next look
            member.renew()
            with self._changed:
                self._fallen.remove(member)
                self._free.append(member)
                self._changed.notify_all()


def _whole(byte_count: int) -> int:
    return -(-byte_count // _ALIGNED) * _ALIGNED


def _refused(data: bytes | memoryview, error: ImageError) -> ReadImage:
    return ReadImage(error=error, digest=digest_of(data), byte_count=len(data))


def _stopped() -> ResourceError:
    return ResourceError("The decoding was stopped.", "Start it again.")
