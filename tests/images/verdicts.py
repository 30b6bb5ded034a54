"""How a made file is judged: the same verdict every time, and the right colours."""

import numpy as np

from tests.images.bad_images import Case
from vidi.errors import ImageError
from vidi.images.decode import DecodedImage, decode_image
from vidi.images.limits import NOTES, REASONS, DecodeOptions

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))


def outcome(data: bytes, options: DecodeOptions | None = None) -> DecodedImage | ImageError:
    """An image or the refusal; anything else that is raised is a fault."""
    try:
        return decode_image(data, options=options or DecodeOptions())
    except ImageError as error:
        return error


def refusal(data: bytes, options: DecodeOptions | None = None) -> ImageError:
    """The refusal of a file that must not be used."""
    found = outcome(data, options)
    assert isinstance(found, ImageError), found.notes
    return found


def used(data: bytes, options: DecodeOptions | None = None) -> DecodedImage:
    """The image of a file that must be used."""
    found = outcome(data, options)
    assert isinstance(found, DecodedImage), found
    return found


def assert_verdicts(cases: list[Case]) -> None:
    """Every file gets its verdict, twice."""
    for case in cases:
        first, again = outcome(case.data), outcome(case.data)
        if isinstance(first, ImageError):
            assert first.code in REASONS, case.name
            assert case.codes, f"{case.name} was refused: {first.code} {first.cause}"
            assert first.code in case.codes, f"{case.name}: {first.code} {first.cause}"
            assert isinstance(again, ImageError), case.name
            assert first.args == again.args, case.name
            continue
        assert not case.codes or case.may_be_used, f"{case.name} was used: {first.notes}"
        assert isinstance(again, DecodedImage), case.name
        assert np.array_equal(first.image, again.image), case.name
        assert set(first.notes) <= set(NOTES), case.name
        assert set(case.notes) <= set(first.notes), f"{case.name}: {first.notes}"
        if case.shows_quarters:
            check_quarters(first.image, case.name)


def check_quarters(image: np.ndarray, name: str) -> None:
    """Red, green over blue, white, each within 40 of 255."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    parts = (image[:height, :width], image[:height, width:], image[height:, :width], image[height:, width:])
    for part, colour in zip(parts, COLOURS, strict=True):
        mean = part.reshape(-1, 3).mean(axis=0)
        assert abs(mean - colour).max() <= 40, f"{name}: {mean} instead of {colour}"
