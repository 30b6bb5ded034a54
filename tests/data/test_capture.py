import io

import pytest
from PIL import Image
from tests.data.scenes import jpeg, scene, taken

from vidi.data.duplicates.capture import group_bursts, read_capture

IMAGE = scene(0, size=(24, 32))


def encoded_with_exif(format: str, exif: Image.Exif) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(IMAGE).save(stream, format, exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_time_and_camera_are_read_from_every_format(format):
    first = read_capture(encoded_with_exif(format, taken("2024:05:01 10:00:00")))
    later = read_capture(encoded_with_exif(format, taken("2024:05:01 10:00:01", fraction="50")))

    assert first is not None
    assert later is not None
    assert first[0] == later[0]
    assert later[1] - first[1] == 1.5


def test_a_tiff_file_is_its_own_exif():
    exif = Image.Exif()
    exif[0x0110], exif[0x0132] = "Model 1", "2024:05:01 10:00:00"

    found = read_capture(encoded_with_exif("TIFF", exif))

    assert found is not None


def test_a_camera_is_told_apart_but_never_named():
    one = read_capture(jpeg(IMAGE, exif=taken("2024:05:01 10:00:00", camera="Model 1")))
    other = read_capture(jpeg(IMAGE, exif=taken("2024:05:01 10:00:00", camera="Model 2")))

    assert one is not None
    assert other is not None
    assert one[0] != other[0]
    assert "Model" not in one[0]


def test_images_without_exif_or_with_a_broken_one_have_no_capture():
    whole = jpeg(IMAGE, exif=taken("2024:05:01 10:00:00"))
    start = whole.index(b"Exif\x00\x00")
    broken = [whole[: start + 6] + bytes(40) + whole[start + 46 :], whole[: start + 20], b"", b"\xff\xd8\xff"]

    assert read_capture(jpeg(IMAGE)) is None
    assert [read_capture(data) for data in broken] == [None] * 4


@pytest.mark.parametrize("time", ["0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday", ""])
def test_a_time_that_is_none_says_nothing(time):
    assert read_capture(jpeg(IMAGE, exif=taken(time))) is None


def test_a_burst_goes_on_as_long_as_each_is_two_seconds_after_another():
    captures = [("a", 0.0), ("a", 2.0), ("a", 4.0), ("a", 6.1), ("b", 2.0), None]

    assert group_bursts(captures) == ["burst-0", "burst-0", "burst-0", None, None, None]


@pytest.mark.fault
def test_clocks_far_in_the_past_or_future_are_only_compared():
    captures = [read_capture(jpeg(IMAGE, exif=taken(time))) for time in ("1970:01:01 00:00:00", "2100:12:31 23:59:59")]

    assert None not in captures
    assert group_bursts(captures) == [None, None]
