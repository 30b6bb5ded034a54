"""What a user names as source: what it is, what messages call it, and what is refused."""

import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidi.errors import DataError, MissingPackageError, UsageError
from vidi.video.opening import camera_device
from vidi.video.sources import parse_source, watch_source


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("0", "camera", "camera 0"),
        ("rtsp://camera:8554/door", "stream", "rtsp://camera:8554/door"),
        ("HTTPS://user:secret@camera/door?key=secret", "stream", "https://camera/door"),
        ("rtsp://us%40er:secret@[::1]:554/", "stream", "rtsp://[::1]:554/"),
    ],
)
def test_a_source_is_told_by_its_text_and_named_without_secrets(text, kind, name):
    source = parse_source(text)
    assert (source.kind, source.name) == (kind, name)
    assert "secret" not in repr(source) + str(source)


@pytest.mark.parametrize(
    "text",
    ["", "100", "nothing-here.mp4", "udp://1.2.3.4:5", "file:///etc/passwd", "concat:a|b", "rtsp://", "http://[x", "/"],
)
def test_what_is_no_source_is_refused_with_what_would_be_one(text):
    with pytest.raises(UsageError) as caught:
        parse_source(text)
    assert caught.value.remedy


@settings(max_examples=30)
@given(user=st.text(alphabet="abc%:!", max_size=5), rest=st.text(max_size=20))
def test_no_message_ever_holds_a_password(user, rest):
    text = f"rtsp://{user}:hunter2@camera/{rest}?hunter2"
    try:
        said = parse_source(text).name
    except UsageError as error:
        said = str(error)
    assert "hunter2" not in said


def test_a_rate_of_nothing_is_refused():
    with pytest.raises(UsageError, match="the rate is 0"):
        watch_source(parse_source("0"), threading.Event(), rate=0)


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingPackageError, match=r"vidi\[video\]"):
        watch_source(parse_source("0"), threading.Event())


@pytest.mark.parametrize(
    ("system", "format", "address"), [("linux", "v4l2", "/dev/video1"), ("darwin", "avfoundation", "1:none")]
)
def test_each_system_names_its_cameras(monkeypatch, system, format, address):
    monkeypatch.setattr(sys, "platform", system)
    device = camera_device(1)
    assert device is not None
    assert (device.format, device.address) == (format, address)


def test_a_system_whose_cameras_cannot_be_read_has_none(monkeypatch):
    monkeypatch.setattr(sys, "platform", "freebsd")
    assert camera_device(0) is None


def test_a_camera_that_is_not_there_is_an_error_at_once():
    pytest.importorskip("av", reason="needs:av")
    with pytest.raises(DataError, match="camera 99"):
        next(watch_source(parse_source("99"), threading.Event()))
