"""The live page of `vidi watch` in Chromium, and its addresses: the last frame, the frames as they come, the events."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av", reason="needs:av")

from tests.app.desks import cookie_of, signed_in
from tests.export.browser import bare_chromium
from tests.video.watched import LIGHT, light_predictor, picture
from vidi.app.live import live_page
from vidi.images.decode import decode_image
from vidi.video.live import Frame, SourceChange
from vidi.video.sources import VideoSource
from vidi.workflows.requests.in_use import WatchRequest
from vidi.workflows.watching.session import LivePicture, WatchSession

SOURCE = VideoSource(kind="camera", address="0", name="camera 0")


@contextmanager
def shown(folder: Path, *, with_images: bool = True) -> Iterator[tuple[str, LivePicture]]:
    """The page's address after a camera has shown light for two seconds, and was lost."""
    live = LivePicture(SOURCE.name, ("light",), with_images=with_images)
    session = WatchSession(
        light_predictor(folder),
        SOURCE,
        classes=[1],
        rules=WatchRequest(source="0").rules(),
        run="run",
        show=live.show,
        now=lambda: 1_800_000_000.0,
    )
    frames: list[Any] = [Frame(image=picture(LIGHT), seconds=number / 10, number=number) for number in range(20)]
    with live_page(live, port=0, say=lambda _: None) as address:
        for notice in session.notices([*frames, SourceChange(kind="offline", seconds=2.5, reason="<b>gone</b>")]):
            live.notify(notice)
        yield address, live


@contextmanager
def frames_of(address: str) -> Iterator[HTTPResponse]:
    """The answer that the frames come in, unread."""
    with signed_in(address) as client:
        connection = HTTPConnection(client.base_url.netloc.decode(), timeout=20)
        connection.request("GET", "/api/1/live/frames", headers={"Cookie": cookie_of(client)})
    with connection.getresponse() as response:
        yield response
    connection.close()


def test_the_page_gives_the_last_frame_and_what_is_known(tmp_path: Path):
    with shown(tmp_path) as (address, _), signed_in(address) as client:
        frame = client.get("/api/1/live/frame.jpg")
        now = client.get("/api/1/live").json()

    assert frame.headers["content-type"] == "image/jpeg"
    assert np.abs(decode_image(frame.content).image.astype(int) - LIGHT).max() <= 3
    assert (now["frames"], now["events"][0]["label"], now["changes"][0]["event"]) == (20, "light", "offline")
    assert now["scores"]["light"] > 0.9


def test_frames_come_as_parts_until_the_watch_is_over(tmp_path: Path):
    with shown(tmp_path) as (address, live), frames_of(address) as response:
        head = [response.readline() for _ in range(4)]
        frame = response.read(int(head[2].split(b":")[1]))
        end = response.readline() + response.readline()
        live.close()
        response.read()  # ends

    assert head[:2] == [b"--vidi-frame\r\n", b"Content-Type: image/jpeg\r\n"]
    assert decode_image(frame).image.shape == (48, 64, 3)
    assert end == b"\r\n--vidi-frame\r\n"


def test_without_images_no_frame_leaves_the_program(tmp_path: Path):
    with shown(tmp_path, with_images=False) as (address, live), signed_in(address) as client:
        status = client.get("/api/1/live/frame.jpg").status_code
        live.close()
        body = client.get("/api/1/live/frames").content

    assert status == 404
    assert body == b"--vidi-frame\r\n"


def test_another_host_s_page_cannot_ask(tmp_path: Path):
    with shown(tmp_path) as (address, _), signed_in(address) as client:
        status = client.get("/api/1/live", headers={"Host": "evil.example"}).status_code

    assert status == 421


@pytest.mark.integration
def test_a_browser_shows_the_frame_the_events_and_what_happened(tmp_path: Path):
    with shown(tmp_path) as (address, _), bare_chromium() as page:
        page.set_viewport_size({"width": 320, "height": 700})
        page.goto(address)
        page.wait_for_selector("#frame:not([hidden])")
        page.wait_for_selector("#frame[data-shown]")

        assert "light for 1.9 s" in page.inner_text("#events")
        assert "offline: <b>gone</b>" in page.inner_text("#events")
        assert "Offline" in page.inner_text("#state")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
