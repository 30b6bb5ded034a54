"""What a pool of decoding processes answers: the same as decoding in this process."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.draw import draw, encoded
from tests.images.bad_images import exif, grain, saved, with_segment
from vidi.images.decode import DecodeJob, ReadImage, read_one
from vidi.images.framing import Framing
from vidi.images.limits import DecodeOptions, Limits
from vidi.images.workers.decode_pool import DecodePool

FRAMING = Framing(size=(24, 24))
OTHER = Framing(size=(48, 30), mode="crop")
FILES = {
    "JPEG": saved(grain(), "JPEG"),
    "turned": with_segment(saved(grain(), "JPEG"), 0xE1, exif(6)),
    "large": saved(grain(600, 800), "JPEG"),
    "cut": saved(grain(), "JPEG")[:-2],
    "truncated": saved(grain(), "JPEG")[:-400],
    "PNG": encoded(draw("disc", size=(30, 40))),
    "GIF": saved(grain(), "GIF"),
    "WebP": saved(grain(), "WEBP"),
    "BMP": saved(grain(), "BMP"),
    "TIFF": saved(grain(), "TIFF", {"compression": "tiff_lzw"}),
    "PNM": saved(grain(), "PPM"),
    "text": b"no image",
    "nothing": b"",
}


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(2) as standing:
        yield standing


def same(one: ReadImage, other: ReadImage) -> bool:
    """Whether two answers agree in every field."""
    facts = [(a.digest, a.byte_count, a.size, a.notes, a.format, a.error and a.error.args) for a in (one, other)]
    if one.image is None or other.image is None:
        return facts[0] == facts[1] and one.image is other.image
    return facts[0] == facts[1] and np.array_equal(one.image, other.image)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["framed", "whole", "whole at reduced scale"])
def test_a_crew_answers_what_this_process_answers(pool, name, kind):
    data, framing, whole_for = FILES[name], FRAMING if kind == "framed" else None, FRAMING if "scale" in kind else None

    job = DecodeJob(framing=framing, whole_for=whole_for)

    (read,) = pool.decode_each([data], job)

    assert same(read, read_one(data, job))
    assert read.path == ""
    assert (read.image is None) == (name in ("truncated", "text", "nothing"))
    if name == "large" and kind == "whole at reduced scale":
        assert read.image.shape == (75, 100, 3)


def test_bytes_may_come_as_a_view_of_a_larger_body(pool):
    body = memoryview(b"boundary" + FILES["PNG"] + b"boundary")

    read = pool.decode(body[8:-8], framing=FRAMING)

    assert same(read, pool.decode(FILES["PNG"], framing=FRAMING))


def test_framings_may_change_from_file_to_file_and_thread_to_thread(pool):
    kinds = [{"framing": FRAMING}, {"framing": OTHER}, {"whole_for": OTHER}, {}]
    asked = [(data, kind) for data in FILES.values() for kind in kinds] * 2
    with ThreadPoolExecutor(4) as executor:
        answers = list(executor.map(lambda one: pool.decode_each([one[0]], DecodeJob(**one[1]))[0], asked))

    for (data, kind), read in zip(asked, answers, strict=True):
        assert same(read, read_one(data, DecodeJob(**kind)))
    assert pool.deaths == 0


def test_an_answer_stays_what_it_is_when_the_next_one_comes(pool):
    read = pool.decode(FILES["PNG"], framing=FRAMING)
    before = read.image.copy()

    for _ in range(4):
        pool.decode(FILES["JPEG"], framing=FRAMING)

    assert np.array_equal(read.image, before)
    assert read.image.flags.writeable
    assert read.image.flags.owndata or read.image.base.flags.owndata


def test_the_options_of_decoding_hold_in_the_workers():
    options = DecodeOptions(keep_truncated=True, limits=Limits(file_bytes=100_000))
    with DecodePool(1, options=options) as pool:
        assert "truncated" in pool.decode(FILES["truncated"]).notes
        refused = pool.decode(bytes(100_001))
        assert (refused.error.code, refused.byte_count) == ("too-much-memory", 100_001)
        assert refused.digest
