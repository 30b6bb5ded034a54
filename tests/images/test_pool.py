import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.counts import count
from tests.draw import draw, encoded
from tests.images.bad_images import grain, saved, tiff, zero_stream
from tests.images.bad_images import png_around as png_of
from tests.images.odd_reading import mean_colour, measure_oddly
from vidi.errors import VidiError
from vidi.files import digest_of
from vidi.images.decode import decode_image
from vidi.images.framing import Framing, frame_image
from vidi.images.limits import DecodeOptions, Limits
from vidi.images.pool import DecodeJob, ReadImage, read_images
from vidi.images.scan import scan_folder
from vidi.images.store import BytesStore, FolderStore

FRAMING = Framing(size=(24, 24))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(20):
        (tmp_path / f"{number:02}.png").write_bytes(encoded(draw("disc", size=(30, 40), seed=number)))
    (tmp_path / "05.png").write_bytes(b"no image")
    (tmp_path / "06.png").write_bytes(saved(grain(), "JPEG"))
    (tmp_path / "07.tif").write_bytes(saved(grain(), "TIFF", {"compression": "tiff_lzw"})[:-900])
    return tmp_path


def paths_of(folder: Path) -> list[str]:
    return [file.path for file in scan_folder(folder).files]


@pytest.mark.parametrize("isolated", [True, False])
def test_answers_come_in_order_framed_measured_and_with_their_facts(folder, isolated):
    paths = paths_of(folder)
    answers = list(
        read_images(
            FolderStore(folder), paths, DecodeJob(framing=FRAMING, measure=mean_colour), workers=2, isolated=isolated
        )
    )
    assert [answer.path for answer in answers] == paths
    for answer in answers:
        data = (folder / answer.path).read_bytes()
        assert (answer.digest, answer.byte_count) == (digest_of(data), len(data))
        if answer.error is not None:
            assert answer.image is None
            continue
        expected = frame_image(decode_image(data).image, FRAMING)
        assert np.array_equal(answer.image, expected)
        assert np.allclose(answer.measured, mean_colour(data, decode_image(data).image))
        assert answer.size == decode_image(data).size
    refused = {answer.path: answer.error.code for answer in answers if answer.error}
    assert refused == {"05.png": "not-an-image", "07.tif": "truncated"}
    assert {a.path: a.notes for a in answers if a.notes} == {"06.png": ("format-differs",)}


@pytest.mark.slow  # over half a second of processor time: starts processes
def test_processes_and_threads_and_their_number_give_the_same(folder):
    paths = paths_of(folder)
    runs = [
        list(read_images(FolderStore(folder), paths, DecodeJob(framing=FRAMING), workers=workers, isolated=isolated))
        for workers, isolated in ((1, True), (3, True), (1, False), (3, False))
    ]
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            assert (one.path, one.digest, one.notes) == (other.path, other.digest, other.notes)
            assert (one.error and one.error.args) == (other.error and other.error.args)
            assert one.image is None or np.array_equal(one.image, other.image)


@pytest.mark.parametrize("isolated", [True, False])
def test_without_a_framing_images_come_whole(folder, isolated):
    (answer,) = read_images(FolderStore(folder), ["00.png"], DecodeJob(), isolated=isolated)
    assert np.array_equal(answer.image, draw("disc", size=(30, 40), seed=0))


def test_no_paths_give_no_answers_and_start_nothing(tmp_path):
    assert list(read_images(FolderStore(tmp_path), [], DecodeJob())) == []


class OddStore(BytesStore):
    """Drawn images; the name says what the measure does with each, as in `good-1` or `kill-2`."""

    def __init__(self, marks: Path | None = None) -> None:
        super().__init__({})
        self.marks = marks  # a folder in which is written down what has happened

    def read(self, path: str) -> bytes:
        kind, _, seed = path.partition("-")
        if kind == "unread":
            raise KeyError(path)
        return encoded(draw("disc", seed=int(seed))) + f"#{kind}:{self.marks}/{path}".encode()


def read_oddly(names: list[str], marks: Path | None = None, **options: object) -> list[ReadImage]:
    job = DecodeJob(framing=FRAMING, measure=measure_oddly, options=DecodeOptions(limits=Limits(**options)))
    return list(read_images(OddStore(marks), names, job, workers=1))


def codes(answers: list[ReadImage]) -> list[str]:
    return [answer.error.code if answer.error else "" for answer in answers]


@pytest.mark.fault
def test_a_dead_worker_costs_one_image_and_names_it():
    answers = read_oddly(["good-1", "good-2", "kill-3", "good-4", "good-5"])

    assert codes(answers) == ["", "", "decoder-died", "", ""]
    assert [answer.path for answer in answers if answer.error] == ["kill-3"]
    assert "SIGKILL" in answers[2].error.cause
    for seed in (1, 2, 4, 5):
        assert np.array_equal(answers[seed - 1].image, frame_image(draw("disc", seed=seed), FRAMING))


@pytest.mark.fault
def test_files_that_kill_hang_and_fill_the_memory_among_good_ones_cost_only_themselves():
    odd = {3: "kill", 5: "hang", 11: "memory", 12: "kill", 20: "sleep"}
    names = [f"{odd.get(number, 'good')}-{number}" for number in range(26)]

    answers = read_oddly(names, seconds=0.5)

    assert [answer.path for answer in answers] == names
    expected = {
        "kill": "decoder-died",
        "hang": "too-slow",
        "sleep": "too-slow",
        "memory": "too-much-memory",
        "good": "",
    }
    assert codes(answers) == [expected[name.partition("-")[0]] for name in names]


def test_an_image_whose_worker_was_killed_once_is_read_again(tmp_path):
    answers = read_oddly(["good-1", "once-2", "good-3"], tmp_path)

    assert codes(answers) == [""] * 3
    assert np.array_equal(answers[1].image, frame_image(draw("disc", seed=2), FRAMING))


def test_a_clock_of_processor_time_ends_what_does_not_end():
    assert codes(read_oddly(["good-1", "hang-2", "good-3"], seconds=0.3)) == ["", "too-slow", ""]


def test_a_clock_on_the_wall_ends_what_only_waits():
    assert codes(read_oddly(["good-1", "sleep-2", "good-3"], seconds=0.2)) == ["", "too-slow", ""]


def test_what_needs_more_memory_than_the_limit_is_refused():
    assert codes(read_oddly(["memory-1", "good-2"])) == ["too-much-memory", ""]


def test_a_fault_of_the_measure_is_raised_and_named():
    with pytest.raises(VidiError, match="KeyError: 'of the program'"):
        read_oddly(["good-1", "fault-2", "good-3"])


def test_a_fault_of_the_store_reaches_the_caller():
    with pytest.raises(KeyError, match="unread-2"):
        read_oddly(["good-1", "unread-2", "good-3"])


def test_a_caller_who_stops_early_leaves_no_process_behind():
    before = children()
    stream = read_images(OddStore(), [f"good-{n}" for n in range(60)], DecodeJob(framing=FRAMING), workers=2)
    next(stream)
    assert len(children()) > len(before)
    stream.close()
    assert children() == before


def children() -> set[str]:
    """The process ids of what this process has started and not yet buried."""
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        pytest.skip("hardware:/proc")
    return {child for task in tasks.iterdir() for child in (task / "children").read_text().split()}


@pytest.mark.fault
def test_c_libraries_print_nothing_and_pillows_warnings_become_notes(tmp_path, capfd):
    (tmp_path / "a.tif").write_bytes(saved(grain(), "TIFF", {"compression": "tiff_lzw"})[:-900])
    (tmp_path / "b.tif").write_bytes(tiff(grain(24, 24)[:, :, 0], change={259: (3, 1, 5)}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for isolated in (True, False):
            answers = list(
                read_images(FolderStore(tmp_path), ["a.tif", "b.tif"], DecodeJob(framing=FRAMING), isolated=isolated)
            )
            assert all(answer.error for answer in answers)
    assert capfd.readouterr() == ("", "")


@pytest.mark.fault
def test_a_batch_of_bombs_takes_no_more_memory_than_one(tmp_path):
    pytest.importorskip("resource")
    (tmp_path / "rows.png").write_bytes(png_of(zero_stream(4000 * 4001), (4000, 4000)))
    (tmp_path / "giant.png").write_bytes(png_of(zero_stream(1000), (30000, 30000)))
    again = count(small=3, faults=50, soak=50)

    def peak(paths: list[str]) -> int:
        """Kilobytes of the largest worker, asked in a process that has started no other children."""
        script = f"""if __name__ == "__main__":
    import resource
    from pathlib import Path
    from vidi.images.framing import Framing
    from vidi.images.pool import DecodeJob, read_images
    from vidi.images.store import FolderStore
    job = DecodeJob(framing=Framing(size=(32, 32)))
    list(read_images(FolderStore(Path({str(tmp_path)!r})), {paths!r}, job, workers=1))
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return int(result.stdout)

    one = peak(["rows.png", "giant.png"])
    assert peak(["rows.png", "giant.png"] * again) < one + 20_000  # kilobytes
    assert one < 300_000


def test_without_reading_in_advance_an_image_is_read_when_it_is_asked_for():
    names = [f"{number}.png" for number in range(4)]
    read: list[str] = []

    class CountingStore(BytesStore):
        def read(self, path: str) -> bytes:
            read.append(path)
            return super().read(path)

    store = CountingStore({name: encoded(draw("disc")) for name in names})
    reading = read_images(store, names, DecodeJob(), workers=2, isolated=False, in_advance=False)

    assert [(one.path, len(read)) for one in reading] == [(name, number) for number, name in enumerate(names, start=1)]
