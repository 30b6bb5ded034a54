"""Video files: every frame once, by its own time, upright; damage is told."""

import threading
from pathlib import Path

import numpy as np
import pytest

from tests.video.draw import av, grey, number_of, turn_file, write_video
from vidi.errors import DataError
from vidi.images.limits import Limits
from vidi.video.live import Frame, SourceChange
from vidi.video.sources import parse_source, watch_source


def watched(
    path: Path, *, rate: float | None = None, limits: Limits | None = None
) -> tuple[list[Frame], list[SourceChange]]:
    told = list(watch_source(parse_source(str(path)), threading.Event(), rate=rate, limits=limits))
    return [one for one in told if isinstance(one, Frame)], [one for one in told if isinstance(one, SourceChange)]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.avi", "mjpeg"), ("a.ts", "libx264")],
)
def test_every_frame_comes_once_and_in_order(tmp_path, name, codec):
    frames, changes = watched(write_video(tmp_path / name, [grey(index) for index in range(12)], codec=codec))
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    assert [frame.number for frame in frames] == list(range(12))
    assert changes == []


def test_times_are_those_of_the_file_at_a_variable_frame_rate(tmp_path):
    milliseconds = [500, 540, 1000, 1010, 3000, 3100]  # the first frame is time 0
    frames, changes = watched(
        write_video(tmp_path / "a.mp4", [grey(index) for index in range(6)], milliseconds=milliseconds)
    )
    assert [frame.seconds for frame in frames] == pytest.approx([0, 0.04, 0.5, 0.51, 2.5, 2.6], abs=0.002)
    assert changes == []


def test_a_rate_steps_by_the_times_of_the_file_and_counts_what_it_leaves_out(tmp_path):
    path = write_video(tmp_path / "a.mp4", [grey(index) for index in range(30)])
    frames, _ = watched(path, rate=2)
    assert [frame.number for frame in frames] == [0, 5, 10, 15, 20, 25]
    assert [number_of(frame.image) for frame in frames] == [0, 5, 10, 15, 20, 25]


QUARTERED = np.zeros((48, 64, 3), np.uint8)
QUARTERED[:24, :32], QUARTERED[:24, 32:], QUARTERED[24:, :32], QUARTERED[24:, 32:] = 40, 100, 160, 220
ORIENTATIONS = {  # display matrix a b c d: what it does to the image, by numpy
    (1, 0, 0, 1): lambda image: image,
    (0, 1, -1, 0): lambda image: np.rot90(image, -1),
    (-1, 0, 0, -1): lambda image: np.rot90(image, 2),
    (0, -1, 1, 0): np.rot90,
    (-1, 0, 0, 1): np.fliplr,
    (1, 0, 0, -1): np.flipud,
    (0, 1, 1, 0): lambda image: image.transpose(1, 0, 2),
    (0, -1, -1, 0): lambda image: np.rot90(image, 2).transpose(1, 0, 2),
}


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_frames_come_upright_whatever_the_file_asks_for(tmp_path, matrix):
    path = write_video(tmp_path / "a.mp4", [QUARTERED] * 2)
    turn_file(path, matrix)
    frames, _ = watched(path)
    expected = ORIENTATIONS[matrix](QUARTERED)
    assert frames[0].image.shape == expected.shape
    assert np.abs(frames[0].image.astype(int) - expected).mean() < 3


@pytest.mark.fault
def test_what_is_there_of_a_cut_file_is_read_and_the_damage_told_once(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), np.uint8)
    path = write_video(tmp_path / "a.mp4", list(noise), options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames, changes = watched(path)
    assert 10 < len(frames) < 25
    assert [change.kind for change in changes] == ["damaged"]


@pytest.mark.fault
def test_bytes_that_are_lost_in_the_middle_cost_no_later_frame(tmp_path):
    path = write_video(tmp_path / "a.ts", [grey(index) for index in range(30)])
    data = bytearray(path.read_bytes())
    third = len(data) // 3
    data[third : third + 1000] = bytes(1000)
    path.write_bytes(data)
    frames, _ = watched(path)
    assert len(frames) >= 15
    assert [number_of(frame.image) for frame in frames[-5:]] == list(range(25, 30))


@pytest.mark.fault
def test_a_file_without_a_keyframe_at_first_begins_with_its_first_whole_frame(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", [grey(index) for index in range(12)])
    with av.open(str(whole)) as source, av.open(str(tmp_path / "later.mp4"), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(source.demux(video=0)):
            if index >= 2 and packet.dts is not None:  # the first keyframe is left out
                packet.stream = stream
                output.mux(packet)
    frames, changes = watched(tmp_path / "later.mp4")
    assert [number_of(frame.image) for frame in frames] == list(range(5, 12))
    assert frames[0].seconds == 0
    assert changes == []


@pytest.mark.parametrize("data", [b"", b"no video at all" * 100, bytes(100_000)], ids=["empty", "text", "zeros"])
def test_a_file_that_is_no_video_is_refused_by_name(tmp_path, data):
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.mp4 cannot be read as a video"):
        watched(tmp_path / "a.mp4")


@pytest.mark.fault
def test_a_cut_header_is_an_error_that_names_the_file(tmp_path):
    path = write_video(tmp_path / "a.mp4", [grey(0)] * 3, options={"movflags": "faststart"})
    whole = path.read_bytes()
    for length in range(8, whole.index(b"mdat"), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"a\.mp4"):
            watched(path)


def test_images_over_the_limit_are_refused_from_the_header(tmp_path):
    path = write_video(tmp_path / "a.mp4", [grey(0)])
    with pytest.raises(DataError, match="64 × 48 pixels; the limit is 3,000"):
        watched(path, limits=Limits(pixels=3_000))


@pytest.mark.fault
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{other}\n#EXT-X-ENDLIST\n"),
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"),
        ("a.ffconcat", "ffconcat version 1.0\nfile '{other}'\n"),
        ("a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 26\n"),
    ],
    ids=["hls-file", "hls-http", "concat", "sdp"],
)
def test_a_file_makes_the_reader_open_no_other_file_and_no_address(tmp_path, name, text):
    other = write_video(tmp_path / "other.ts", [grey(0)] * 3)
    (tmp_path / name).write_text(text.format(other=other))
    with pytest.raises(DataError, match="cannot be read as a video"):
        watched(tmp_path / name)


def test_a_file_ends_when_it_is_stopped(tmp_path):
    path, stop = write_video(tmp_path / "a.mp4", [grey(index) for index in range(20)]), threading.Event()
    taken = []
    for frame in watch_source(parse_source(str(path)), stop):
        taken.append(frame)
        stop.set()
    assert len(taken) == 1


@pytest.mark.slow
def test_four_thousand_pixels_across_are_read(tmp_path):
    path = write_video(tmp_path / "large.mp4", [grey(number, (2160, 3840)) for number in range(3)])

    frames = [one for one in watch_source(parse_source(str(path)), threading.Event()) if isinstance(one, Frame)]

    assert [(one.image.shape, number_of(one.image)) for one in frames] == [
        ((2160, 3840, 3), number) for number in range(3)
    ]
