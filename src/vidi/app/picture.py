"""An image as the page shows it: decoded and coded again, upright, of a bounded size, without anything hidden."""

from typing import Final

from starlette.responses import Response

from vidi.app.pages import HEADERS
from vidi.errors import ImageError
from vidi.images.decode import decode_image
from vidi.images.encode import encode_jpeg, encode_png
from vidi.images.framing import fitted_size, resize
from vidi.serving.problems import Problem

MOST_SIDE: Final = (1_600, 1_600)  # pixels of an image on the page
SMALL: Final = 200  # pixels: images up to this size are sent without any loss
QUALITY: Final = 90
KEPT: Final = {**HEADERS, "Cache-Control": "private, max-age=3600"}  # a digest's image never changes


def picture_response(data: bytes | None) -> Response:
    """An image for the page, under an address that names its digest.

    Args:
        data: of the image file; None where it is gone.

    Raises:
        Problem: it is gone, or cannot be used.
    """
    if data is None:
        raise Problem("not-found", "The image is no longer kept.", "Take another one.")
    try:
        image = decode_image(data, at_least=MOST_SIDE).image
    except ImageError as error:
        raise Problem("unusable-image", error.cause, error.remedy) from error
    size = (image.shape[0], image.shape[1])
    if max(size) <= SMALL:
        return Response(encode_png(image), media_type="image/png", headers=KEPT)
    if max(size) > max(MOST_SIDE):
        image = resize(image, fitted_size(size, MOST_SIDE))
    return Response(encode_jpeg(image, quality=QUALITY), media_type="image/jpeg", headers=KEPT)
