"""Files that kill, hang or fill the process that decodes them, and processes that others kill."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.counts import count
from tests.draw import draw, encoded
from tests.images.bad_images import saved
from tests.images.odd_reading import NeverUnpacked, read_oddly
from tests.processes import all_end, end_now, open_handles
from vidi.errors import ResourceError, VidiError
from vidi.images.decode import ReadImage
from vidi.images.framing import Framing, frame_image
from vidi.images.limits import DecodeOptions, Limits
from vidi.images.workers.decode_pool import DecodePool
from vidi.images.workers.wire import pack_answer, unpack_answer

FRAMING = Framing(size=(24, 24))
GOOD = encoded(draw("disc", seed=1))
SOON = DecodeOptions(limits=Limits(seconds=0.2))
LONG = 20.0  # seconds: more than anything here takes


@pytest.fixture(scope="module")
def standing_crew() -> Iterator[DecodePool]:
    with DecodePool(2, read=read_oddly) as pool:
        yield pool


@pytest.fixture
def odd_crew(standing_crew) -> DecodePool:
    assert stands_again(standing_crew)
    standing_crew.deaths = 0
    return standing_crew


def stands_again(pool: DecodePool) -> bool:
    """Whether all workers stand within the time."""
    until = time.monotonic() + LONG
    while pool.standing < pool.count and time.monotonic() < until:
        time.sleep(0.01)
    return pool.standing == pool.count


def is_good(read: ReadImage) -> bool:
    return read.image is not None and np.array_equal(read.image, frame_image(draw("disc", seed=1), FRAMING))


@pytest.mark.fault
def test_a_file_that_kills_its_worker_twice_is_refused_and_the_crew_stands_again(odd_crew):
    killed, ended = odd_crew.decode(b"kill", framing=FRAMING), odd_crew.decode(b"exit", framing=FRAMING)

    assert (killed.error.code, killed.byte_count) == ("decoder-died", 4)
    assert "SIGKILL" in killed.error.cause
    assert "2 times" in killed.error.cause
    assert ended.error.code == "decoder-died"
    assert "exit code 7" in ended.error.cause
    assert is_good(odd_crew.decode(GOOD, framing=FRAMING))
    assert stands_again(odd_crew)
    assert (odd_crew.standing, odd_crew.deaths) == (2, 4)


@pytest.mark.fault
def test_files_that_kill_do_not_cost_the_others_their_answer(odd_crew):
    asked = [b"kill" if number % 5 == 2 else GOOD for number in range(count(small=30, faults=300, soak=3000))]
    with ThreadPoolExecutor(4) as executor:
        answers = list(executor.map(lambda data: odd_crew.decode(data, framing=FRAMING), asked))

    for data, read in zip(asked, answers, strict=True):
        assert is_good(read) if data == GOOD else read.error.code == "decoder-died"


def test_what_does_not_end_is_stopped_by_the_clock_of_processor_time():
    with DecodePool(1, options=SOON, read=read_oddly) as pool:
        assert pool.decode(b"hang").error.code == "too-slow"
        assert is_good(pool.decode(GOOD, framing=FRAMING))
        assert pool.deaths == 1


def test_what_only_waits_is_stopped_by_the_clock_on_the_wall():
    with DecodePool(1, options=SOON, read=read_oddly) as pool:
        assert pool.decode(b"sleep").error.code == "too-slow"
        assert is_good(pool.decode(GOOD, framing=FRAMING))


def test_what_needs_more_memory_than_the_limit_is_refused_and_the_worker_lives_on(odd_crew):
    assert odd_crew.decode(b"memory").error.code == "too-much-memory"
    assert is_good(odd_crew.decode(GOOD, framing=FRAMING))
    assert odd_crew.deaths == 0


def test_a_fault_of_the_program_is_raised_and_named_and_the_worker_lives_on(odd_crew):
    with pytest.raises(VidiError, match="KeyError: 'of the program'"):
        odd_crew.decode(b"fault")
    assert is_good(odd_crew.decode(GOOD, framing=FRAMING))
    assert (odd_crew.standing, odd_crew.deaths) == (2, 0)


def test_what_c_libraries_print_disturbs_no_answer(odd_crew, capfd):
    assert odd_crew.decode(b"print").error.code == "not-an-image"
    assert is_good(odd_crew.decode(GOOD, framing=FRAMING))
    assert capfd.readouterr() == ("", "")


@pytest.mark.fault
def test_a_worker_killed_while_it_is_free_costs_no_image(odd_crew):
    kills = count(small=4, faults=20, soak=200)
    for number in range(kills):
        end_now(odd_crew.pids[number % 2])
        assert is_good(odd_crew.decode(GOOD, framing=FRAMING))
        assert stands_again(odd_crew)
    assert odd_crew.deaths == kills


@pytest.mark.fault
def test_an_image_whose_worker_is_killed_under_it_is_decoded_again():
    kills = count(small=4, faults=20, soak=200)
    with DecodePool(1) as pool, ThreadPoolExecutor(1) as executor:
        for _ in range(kills):
            os.kill(pool.pids[0], signal.SIGSTOP)
            future = executor.submit(pool.decode, GOOD, framing=FRAMING)
            wait_for(lambda: pool.working == 1)
            end_now(pool.pids[0])
            assert is_good(future.result(LONG))
        assert pool.deaths == kills


def wait_for(is_so: Callable[[], bool]) -> None:
    while not is_so():
        os.sched_yield()


@pytest.mark.fault
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_that_end_the_server_do_not_end_its_workers(odd_crew, name):
    for pid in odd_crew.pids:
        os.kill(pid, signal.Signals[name])

    assert [is_good(odd_crew.decode(GOOD, framing=FRAMING)) for _ in range(4)] == [True] * 4
    assert (odd_crew.standing, odd_crew.deaths) == (2, 0)


def test_stopping_ends_every_process_and_whoever_waits():
    pool = DecodePool(2, read=read_oddly)
    pool.start()
    handles = open_handles(pool.pids)
    with ThreadPoolExecutor(3) as executor:
        waiting = [executor.submit(pool.decode, b"sleep") for _ in range(3)]
        wait_for(lambda: pool.working == 2)
        pool.stop()
        for future in waiting:
            with pytest.raises(ResourceError, match="stopped"):
                future.result(LONG)
    assert all_end(handles)
    assert (pool.standing, pool.pids) == (0, ())
    with pytest.raises(ResourceError, match="stopped"):
        pool.decode(GOOD)


@pytest.mark.slow  # starts a pool twice
def test_a_crew_can_be_started_again():
    pool = DecodePool(1)
    for _ in range(2):
        with pool:
            assert is_good(pool.decode(GOOD, framing=FRAMING))
    assert pool.deaths == 0


def test_kills_leave_no_handle_open():
    with DecodePool(2, read=read_oddly) as pool:
        pool.decode(b"kill")
        assert stands_again(pool)
        before = open_files()
        for _ in range(count(small=3, faults=20, soak=500)):
            assert pool.decode(b"kill").error.code == "decoder-died"
            assert stands_again(pool)
        assert open_files() == before


def open_files() -> int:
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("hardware:/proc")
    return len(os.listdir("/proc/self/fd"))


def test_no_worker_holds_what_is_anothers(odd_crew):
    """Its pipes, its own errors, and nothing of a sibling: else a pipe would stay open when its process dies."""
    for _ in range(2):
        odd_crew.decode(b"kill")  # so that both stand a second time
    names = odd_crew.decode(b"handles").notes

    pipes = [name.split()[1] for name in names if "pipe:" in name]
    assert len(set(pipes)) <= 3  # two to the server, and perhaps standard error
    assert not [name for name in names if "socket:" in name]


def test_a_caller_who_is_interrupted_spoils_no_other_callers_answer(odd_crew):
    class InterruptedError(Exception):
        """As Ctrl-C, in the middle of waiting."""

    def interrupt(*_: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(InterruptedError):
            odd_crew.decode(b"sleep")
    finally:
        signal.signal(signal.SIGALRM, before)

    assert [is_good(odd_crew.decode(GOOD, framing=FRAMING)) for _ in range(3)] == [True] * 3
    assert odd_crew.deaths == 1


def test_a_crew_that_cannot_start_says_so_and_leaves_nothing():
    pool = DecodePool(2, read=NeverUnpacked())
    with pytest.raises(ResourceError, match="could not be started"):
        pool.start()
    assert pool.pids == ()


def test_a_large_image_leaves_its_shared_memory_to_others():
    large = saved(np.full((2000, 3000, 3), 99, np.uint8), "BMP")
    with DecodePool(1) as pool:
        pool.decode(GOOD)
        before = shared_bytes(pool)
        assert pool.decode(large).image.shape == (2000, 3000, 3)
        assert shared_bytes(pool) < before + 3_000_000


def shared_bytes(pool: DecodePool) -> int:
    """Resident memory of a worker that it shares without a file's name, in bytes."""
    path = f"/proc/{pool.pids[0]}/status"
    if not os.path.exists(path):
        pytest.skip("hardware:/proc")
    with open(path, encoding="ascii") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("RssShmem"))


@pytest.mark.fault
def test_an_answer_that_was_spoilt_is_the_death_of_its_process_and_nothing_worse():
    room = memoryview(bytearray(100_000))
    image = draw("disc", seed=1)
    answer = pack_answer(ReadImage(image=image, notes=("end-missing",), digest="0" * 64, format="PNG"), room)
    random, deaths = np.random.default_rng(0), 0
    for _ in range(count(small=500, faults=20_000, soak=20_000)):
        corrupted = bytearray(answer)
        for place in random.integers(0, len(answer), 2):
            corrupted[place] = random.integers(0, 256)
        try:
            read = unpack_answer(bytes(corrupted[: random.integers(60, len(answer) + 1)]), room)
        except EOFError:
            deaths += 1
        else:
            assert isinstance(read, ReadImage)
    assert deaths > 0
