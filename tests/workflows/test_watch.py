"""`vidi watch` on drawn videos: what is reported, kept, sent and logged, and what happens on faults."""

import base64
import hashlib
import hmac
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av", reason="needs:av")

from tests.command import Done, vidi
from tests.detection.made_detector import grey_image, made_detector
from tests.video.streams import http_camera
from tests.video.watched import DARK, LIGHT, light_model, light_predictor, light_video, picture
from tests.workflows.test_webhook import receiver

from vidi.errors import ResourceError
from vidi.images.decode import decode_image
from vidi.images.encode import encode_jpeg
from vidi.log.store import PredictionLog
from vidi.prediction.prediction import Prediction
from vidi.video.live import Frame, SourceChange
from vidi.video.sources import VideoSource
from vidi.workflows import watch as watching
from vidi.workflows.interaction.events import SILENCE
from vidi.workflows.requests.in_use import WatchOutputs, WatchRequest
from vidi.workflows.watch import watch_with
from vidi.workflows.watching.outputs import EventFolder, printing, steady, too_many
from vidi.workflows.watching.session import BestFrameBoxes, EventNotice, WatchSession, scores_of

TWICE = [(False, 10), (True, 20), (False, 15), (True, 12), (False, 10)]  # light from 1.0 s and from 4.5 s on


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file and a video with two events."""
    root = tmp_path_factory.mktemp("watch")
    light_model(root / "light.onnx")
    light_video(root / "twice.mp4", TWICE)
    return root


def watched(folder: Path, *words: object) -> Done:
    return vidi("watch", "light.onnx", "twice.mp4", *words, folder=folder)


def documents(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_event_is_told_in_a_line_with_its_time(folder: Path):
    done = watched(folder)

    assert done.returncode == 0, done.stderr
    assert [line.partition(", clearest")[0].split("  ")[:2] for line in done.stdout.splitlines()] == [
        ["00:01.0", "light appeared"],
        ["00:02.8", "light left after 1.8 s"],
        ["00:04.6", "light appeared"],
        ["00:05.6", "light left after 1.0 s"],
    ]
    assert "2 events (light 2) in 34 frames, 6.6 s long" in done.stderr


def test_events_are_told_as_documents_too(folder: Path):
    found = documents(watched(folder, "--jsonl", "--locate"))

    assert [(one["event"], one["id"][-1], one["began"], one["last_seen"]) for one in found] == [
        ("new", "1", 1.0, 1.6),
        ("end", "1", 1.0, 2.8),
        ("new", "2", 4.6, 5.2),
        ("end", "2", 4.6, 5.6),
    ]
    assert found[0]["id"][:-2] == found[3]["id"][:-2]
    assert found[0]["began_at"] is None  # a file's frames have no date
    assert all(one["best"]["score"] > 0.9 and one["source"] == "twice.mp4" for one in found)
    assert all(box["label"] == "light" for one in found for box in one["boxes"])


def test_the_class_for_nothing_is_watched_for_only_where_it_is_named(folder: Path):
    found = documents(watched(folder, "--jsonl", "--class", "background"))

    assert {one["label"] for one in found} == {"background"}
    assert len(found) == 6


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--class", "cat"], 2, "has no class 'cat'"),
        (["--start", "0.3"], 2, "cannot begin at a score of 0.3 and end below 0.4"),
        (["--clips"], 2, "--clips without a folder"),
        (["--webhook", "ftp://example.org"], 2, "no http:// or https:// address"),
        (["--webhook", "http://user:word@example.org"], 2, "holds a user or a password"),
    ],
)
def test_what_makes_no_sense_is_refused_in_plain_words(folder: Path, words, code, said):
    done = watched(folder, *words)

    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def test_what_is_no_video_is_refused_by_name(folder: Path):
    done = vidi("watch", "light.onnx", "light.onnx", folder=folder)

    assert done.returncode == 3
    assert "light.onnx" in done.stderr


def test_a_damaged_file_is_watched_and_notices(folder: Path):
    data = (folder / "twice.mp4").read_bytes()
    place = data.index(b"mdat")
    hole = place + (len(data) - place) // 3
    (folder / "hole.mp4").write_bytes(data[:hole] + bytes(400) + data[hole + 400 :])

    done = vidi("watch", "light.onnx", "hole.mp4", folder=folder)

    assert done.returncode == 6
    assert "damaged" in done.stdout
    assert "the file is damaged" in done.stderr


def test_a_folder_keeps_a_table_snapshots_clips_and_a_page(folder: Path, tmp_path: Path):
    done = watched(folder, "-o", tmp_path / "events", "--clips")

    rows = [json.loads(line) for line in (tmp_path / "events" / "events.jsonl").read_text().splitlines()]
    assert done.returncode == 0, done.stderr
    assert [row["event"] for row in rows] == ["new", "end", "new", "end"]
    for row in rows[1::2]:
        shown = decode_image((tmp_path / "events" / row["snapshot"]).read_bytes()).image
        assert shown.shape == (48, 64, 3)
        assert shown.mean() == pytest.approx(LIGHT, abs=8)
        assert len(frames_of(tmp_path / "events" / row["clip"])) >= 20
    page = (tmp_path / "events" / "index.html").read_text()
    assert "2 events: light 2." in page
    assert page.count("data:image/webp") == 2


def frames_of(path: Path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_clip_shows_what_was_before_the_event_and_after_it(folder: Path, tmp_path: Path):
    watched(folder, "-o", tmp_path / "events", "--clips")

    first = min((tmp_path / "events" / "clips").iterdir())
    levels = [float(frame.mean()) for frame in frames_of(first)]
    assert levels[0] == pytest.approx(DARK, abs=10)
    assert max(levels) == pytest.approx(LIGHT, abs=10)
    assert not [path.name for path in first.parent.iterdir() if path.name.startswith(".")]


def test_without_images_no_picture_is_kept(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIDI_NO_IMAGES", "1")
    watched(folder, "-o", tmp_path / "events")

    assert list((tmp_path / "events" / "snapshots").iterdir()) == []
    assert "snapshot" not in (tmp_path / "events" / "events.jsonl").read_text()
    assert "data:image" not in (tmp_path / "events" / "index.html").read_text()


def test_a_second_watch_goes_on_in_the_same_folder_but_not_in_another_ones(folder: Path, tmp_path: Path):
    for _ in range(2):
        watched(folder, "-o", tmp_path / "events")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")

    assert len((tmp_path / "events" / "events.jsonl").read_text().splitlines()) == 8
    assert "4 events: light 4." in (tmp_path / "events" / "index.html").read_text()
    refused = watched(folder, "-o", tmp_path / "other")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "holds other things than events" in refused.stderr


def test_old_and_large_snapshots_go_first(tmp_path: Path):
    for number in range(4):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(bytes(100))
        os.utime(path, (1000 + number, 1000 + number))
    paths = [*tmp_path.iterdir(), tmp_path / "gone.jpg"]

    assert sorted(path.name for path in too_many(paths, before=1001.5, most_bytes=10_000)) == ["0.jpg", "1.jpg"]
    assert sorted(path.name for path in too_many(paths, before=0, most_bytes=250)) == ["0.jpg", "1.jpg"]


def test_snapshots_are_trimmed_when_the_watch_begins_but_nothing_else_is(tmp_path: Path):
    EventFolder(tmp_path / "events", with_images=True, days=1, megabytes=1)
    old, note = tmp_path / "events" / "snapshots" / "old-1.jpg", tmp_path / "events" / "snapshots" / "note.txt"
    for path in (old, note):
        path.write_bytes(b"x")
        os.utime(path, (1000, 1000))

    EventFolder(tmp_path / "events", with_images=True, days=1, megabytes=1)

    assert not old.exists()
    assert note.exists()


def test_events_stand_in_the_log_once_and_are_deleted_by_date(folder: Path, tmp_path: Path):
    done = watched(folder, "--log", tmp_path / "log.sqlite")

    assert done.returncode == 0, done.stderr
    with PredictionLog.open(str(tmp_path / "log.sqlite")) as log:
        found = log.events()
        assert [(one.label, one.state, one.began, one.last_seen) for one in found] == [
            ("light", "end", 1.0, 2.8),
            ("light", "end", 4.6, 5.6),
        ]
        assert log.contents().events == 2
        assert log.delete(before=found[1].at + 1).events == 2
        assert log.events() == []


def test_events_are_sent_signed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    secret = os.urandom(24)
    (tmp_path / "secret").write_text("whsec_" + base64.b64encode(secret).decode() + "\n")
    monkeypatch.setenv("VIDI_WEBHOOK_SECRET_FILE", str(tmp_path / "secret"))
    with receiver([204]) as (address, came):
        done = watched(folder, "--webhook", address)

    assert done.returncode == 0, done.stderr
    assert [json.loads(body)["event"] for _, body in came] == ["new", "end", "new", "end"]
    for headers, body in came:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
    assert len({headers["webhook-id"] for headers, _ in came}) == 4


@pytest.mark.fault
def test_an_output_that_fails_for_a_while_is_told_once_and_again_when_it_works():
    said: list[str] = []
    fails = iter([True, True, False, False, True])

    def notify(_: object) -> None:
        if next(fails):
            raise ResourceError("the disk is full", "Free some.")

    output = steady(notify, "the folder", said.append)
    for _ in range(5):
        output(Spoken())

    assert said == [
        "the folder: the disk is full; watching goes on",
        "the folder: works again",
        "the folder: the disk is full; watching goes on",
    ]


@pytest.mark.fault
def test_a_full_disk_ends_no_watch(folder: Path, tmp_path: Path, monkeypatch):
    def full(path: Path, _: object) -> None:
        raise ResourceError(f"{path} cannot be written: no space left", "Free some.")

    monkeypatch.setattr("vidi.workflows.watching.outputs.write_atomic", full)
    done = watched(folder, "-o", tmp_path / "events")

    assert len(done.stdout.splitlines()) == 4
    assert done.stderr.count("watching goes on") >= 1


@pytest.mark.fault
def test_a_reader_of_the_events_who_leaves_ends_the_watch(folder: Path):
    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        watch_with(
            light_predictor(folder),
            WatchRequest(source=str(folder / "twice.mp4")),
            WatchOutputs(),
            tell=printing(Closed(), as_json=False),
            environment={},
            events=SILENCE,
        )


class Spoken:
    """A notice that says nothing."""

    def as_json(self) -> dict[str, str]:
        return {}


def answer(probability: float, verdict: Any) -> Prediction:
    shares = np.array([1 - probability, probability], np.float32)
    index = int(shares.argmax())
    classes = ("background", "light")
    return Prediction(classes[index], index, float(shares[index]), shares, classes, verdict, (classes[index],), None)


def test_what_the_model_does_not_know_shows_no_class_but_may_show_that_it_is_gone():
    assert scores_of(answer(0.9, "sure"), [1], low=0.4) == pytest.approx([0.9])
    assert np.isnan(scores_of(answer(0.9, "unknown"), [1], low=0.4)).all()
    assert scores_of(answer(0.1, "unknown"), [1], low=0.4) == pytest.approx([0.1])
    assert scores_of(answer(0.9, None), [1], low=0.4) == pytest.approx([0.9])


class Stopped:
    """A source that is watched until a user asks to stop."""

    def __init__(self, frames: list[Frame | SourceChange], after: Callable[[], None] = lambda: None) -> None:
        self.frames, self.after = frames, after

    def __call__(self, _: VideoSource, stop: threading.Event, *, rate: float) -> Iterator[Frame | SourceChange]:
        yield from self.frames
        self.after()
        stop.set()


def live_frames(seconds: float, *, level: int, since: float = 0.0) -> list[Frame | SourceChange]:
    return [
        Frame(image=picture(level), seconds=since + number / 10, number=round(10 * since) + number)
        for number in range(round(10 * seconds))
    ]


def live_watch(folder: Path, frames: list[Frame | SourceChange], monkeypatch, **changed: Any) -> tuple[int, list[Any]]:
    """The exit code and documents of a watched camera."""
    monkeypatch.setattr(watching, "watch_source", Stopped(frames))
    stream = io.StringIO()
    code = watch_with(
        light_predictor(folder),
        WatchRequest(source=changed.pop("source", "0")),
        WatchOutputs(),
        tell=printing(stream, as_json=True),
        environment={},
        events=SILENCE,
        **changed,
    )
    return code, [json.loads(line) for line in stream.getvalue().splitlines()]


def test_what_is_in_view_when_a_camera_is_lost_has_left_at_its_last_frame(folder: Path, monkeypatch):
    code, found = live_watch(
        folder,
        [
            *live_frames(3, level=LIGHT),
            SourceChange(kind="offline", seconds=4.0, reason="the stream ended"),
            SourceChange(kind="online", seconds=9.0, reason="images come again"),
            *live_frames(2, level=LIGHT, since=9.0),
        ],
        monkeypatch,
    )

    assert code == 0
    assert [(one["event"], one.get("last_seen", one.get("seconds"))) for one in found] == [
        ("new", 0.5),
        ("end", 2.9),
        ("offline", 4.0),
        ("online", 9.0),
        ("new", 9.5),
        ("end", 10.9),
    ]
    assert found[0]["began_at"].endswith("Z")


def test_a_file_that_is_not_watched_to_its_end_is_an_interrupted_command(folder: Path, monkeypatch):
    code, found = live_watch(folder, live_frames(3, level=LIGHT), monkeypatch, source=str(folder / "twice.mp4"))

    assert code == 130
    assert [one["event"] for one in found] == ["new", "end"]  # what was known is reported


def test_frames_of_one_time_count_once(folder: Path):
    session = WatchSession(
        light_predictor(folder),
        VideoSource(kind="file", address="x", name="x"),
        classes=[1],
        rules=WatchRequest(source="0").rules(),
        run="run",
    )
    frames = [Frame(image=picture(LIGHT), seconds=0.1 * (number // 2), number=number) for number in range(20)]

    assert [one.event.state for one in session.notices(frames)] == ["new", "end"]
    assert session.summary.frames == 10


def test_a_detector_is_watched_with_and_draws_its_own_boxes(tmp_path: Path):
    detector = made_detector(tmp_path / "detector.onnx")
    image = grey_image()
    image[16:24, 32:40] = 255, 0, 0
    classes = [detector.classes.index("person")]
    source, rules = VideoSource(kind="file", address="x", name="x"), WatchRequest(source="0").rules()
    session = WatchSession(detector, source, classes=classes, rules=rules, run="run")
    frames = [Frame(number=number, seconds=number / 5, image=image) for number in range(20)]

    notices = list(session.notices(frames))
    boxed = BestFrameBoxes(detector, classes).added(notices[0]) if isinstance(notices[0], EventNotice) else None

    assert session.summary.events == {"person": 1}
    assert boxed is not None
    assert boxed.boxes
    assert boxed.boxes[0].box == pytest.approx((28, 12, 52, 36), abs=1e-3)


@pytest.mark.integration
def test_a_stream_that_drops_is_watched_on(folder: Path):
    light, dark = (encode_jpeg(picture(level), quality=95) for level in (LIGHT, DARK))
    ended, pause = threading.Event(), threading.Event()

    def play(number: int, send: Callable[[bytes], None]) -> None:
        for data in [dark] * 5 + [light] * 20 + [dark] * 15:
            send(data)
            pause.wait(0.05)
        if number == 1:
            ended.set()

    stream = io.StringIO()

    with http_camera(play) as address:
        original = watching.watch_source

        def until_ended(source: VideoSource, stop: threading.Event, **options: Any) -> Iterator[Frame | SourceChange]:
            for one in original(source, stop, **options):
                yield one
                if ended.is_set():
                    stop.set()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(watching, "watch_source", until_ended)
            code = watch_with(
                light_predictor(folder),
                WatchRequest(source=address),
                WatchOutputs(),
                tell=printing(stream, as_json=False),
                environment={},
                events=SILENCE,
            )
    lines = stream.getvalue()
    assert code == 0
    assert lines.count("light appeared") == 2
    assert "offline" in lines
    assert "online" in lines
    assert "secret" not in lines
