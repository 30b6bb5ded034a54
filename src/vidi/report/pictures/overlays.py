"""What is laid over an image: a map of what speaks for and against, or boxes, on its pixels or as one `<svg>`."""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vidi.detection.locate import Located
from vidi.explanation import Map, enlarge
from vidi.images.framing import Size
from vidi.report.pictures.thumbnails import Thumbnail, data_uri, make_thumbnail
from vidi.report.words.text import percent, visible

FOR, AGAINST = (255, 106, 0), (0, 96, 255)  # told apart with every kind of colour blindness
LEAST_SIDE = 256  # pixels of the longer side: smaller images are enlarged, each pixel a square
MOST_SIDE = 448
COVER = 0.78  # of the image at most: what the map marks must stay recognisable
FADE = 0.35  # of the image's own colours, so that those of the map are not taken for them
PAPER = 240  # grey of what stands in for an image that must not be shown
UNSEEN = 128
LEAST_SCALE = 1.0  # of a logit or of log odds: a map that is weak all over looks so


def common_scale(maps: Iterable[Map]) -> float:
    """What is drawn strongest on some maps of one kind: their largest number, but no less than counts for little."""
    sizes = [float(np.nanmax(np.abs(one))) for one in maps if np.isfinite(one).any()]
    return max([LEAST_SCALE, *sizes])


def draw_heat(image: NDArray[np.uint8], values: Map, *, scale: float) -> Thumbnail:
    """A map over its image, as a picture.

    Args:
        image: (height, width, 3) uint8.
        values: (height, width); above 0 for, below 0 against, NaN unseen.
        scale: the size of a number that is drawn strongest.
    """
    shown = enlarged(image).astype(np.float32)
    size = (shown.shape[0], shown.shape[1])
    seen = np.isfinite(values)
    strength = enlarge(np.where(seen, values, 0).astype(np.float32) / scale, size).clip(-1, 1)
    shown += FADE * (shown.mean(axis=2, keepdims=True) - shown)
    colour = np.where(strength[..., None] > 0, np.array(FOR), np.array(AGAINST)).astype(np.float32)
    share = COVER * np.abs(strength)[..., None] ** 0.8
    shown = shown * (1 - share) + colour * share
    if not seen.all():
        unseen = enlarge((~seen).astype(np.float32), size)[..., None] > 0.5
        shown = np.where(unseen, 0.3 * shown + 0.7 * UNSEEN, shown)
    return as_picture(shown.round().astype(np.uint8))


def draw_image(image: NDArray[np.uint8]) -> Thumbnail:
    """An image as large as the maps beside it."""
    return as_picture(enlarged(image))


def enlarged(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A small image with each of its pixels as a square; a larger one as it is."""
    repeat = max(1, LEAST_SIDE // max(image.shape[:2]))
    return image.repeat(repeat, axis=0).repeat(repeat, axis=1)


def as_picture(image: NDArray[np.uint8]) -> Thumbnail:
    """Pixels as a page holds them."""
    picture = Image.fromarray(image)
    return Thumbnail(data_uri(picture, lossless=False), picture.width, picture.height, is_small=False)


LONGER_SIDE = 448  # units of the drawing, and pixels of its picture
LEAST_DRAWN_SIDE = 24  # units: a thinner image would leave no room for a number
TAG, DIGIT = 18, 9  # units: the height of a number's field, the width of a digit
COLOURS = ("#ffb000", "#1e88e5", "#d81b60", "#43a047", "#8e24aa", "#f4511e")  # told apart on most photographs
OUTLINE = 0.005  # of the longer side, the width of a line
LETTERS = 0.025  # of the longer side, the height of a letter


def make_picture(image: NDArray[np.uint8]) -> Thumbnail:
    """The image as large as a drawing shows it."""
    return make_thumbnail(image, longer_side=LONGER_SIDE)


def colour_of(box: Located) -> str:
    """The colour of a class's boxes."""
    return COLOURS[box.label_index % len(COLOURS)]


def boxes_in_words(boxes: Sequence[Located]) -> str:
    """What the drawing shows, for those who do not see it: `2 boxes: face 93 %, face 71 %`."""
    if not boxes:
        return "Nothing found"
    said = ", ".join(f"{visible(box.name)} {percent(box.score)}" for box in boxes)
    return f"{len(boxes)} box{'' if len(boxes) == 1 else 'es'}: {said}"


def draw_boxed(size: Size, boxes: Sequence[Located], picture: Thumbnail | None) -> str:
    """The `<svg>` element of an image and its boxes, the likeliest on top.

    Args:
        size: (height, width) of the upright image, pixels.
        boxes: the likeliest first; they are numbered from 1.
        picture: of `make_picture`; None leaves the image out.
    """
    scale = LONGER_SIDE / max(size)
    height, width = (max(LEAST_DRAWN_SIDE, side * scale) for side in size)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.1f} {height:.1f}" role="img">'
        f"<title>{escape(boxes_in_words(boxes))}</title>"
    ]
    if picture is None:
        parts.append('<rect width="100%" height="100%" fill="#808080" fill-opacity=".18"/>')
    else:
        crisp = ' style="image-rendering:pixelated"' if picture.is_small else ""
        parts.append(
            f'<image href="{picture.uri}" width="{width:.1f}" height="{height:.1f}" preserveAspectRatio="none"{crisp}/>'
        )
    numbered = list(enumerate(boxes, start=1))
    parts += [_frame(box, scale) for _, box in reversed(numbered)]
    parts += [_tag(number, box, scale, room=(height, width)) for number, box in reversed(numbered)]
    return "".join(parts) + "</svg>"


def _frame(box: Located, scale: float) -> str:
    """Its outline: the class's colour on a dark line, which is seen on every image."""
    x_min, y_min, x_max, y_max = (value * scale for value in box.box)
    place = f'x="{x_min:.1f}" y="{y_min:.1f}" width="{x_max - x_min:.1f}" height="{y_max - y_min:.1f}" fill="none"'
    return (
        f'<rect {place} stroke="#000" stroke-opacity=".55" stroke-width="5"/>'
        f'<rect {place} stroke="{colour_of(box)}" stroke-width="2.6"/>'
    )


def _tag(number: int, box: Located, scale: float, *, room: tuple[float, float]) -> str:
    """Its number: above the box, or within it where there is no room above."""
    width = DIGIT * (1 + len(str(number)))
    x = min(max(0.0, box.box[0] * scale - 1.3), room[1] - width)
    y = box.box[1] * scale
    y = min(y - TAG if y >= TAG else y, room[0] - TAG)
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width}" height="{TAG}" fill="{colour_of(box)}"/>'
        f'<text x="{x + width / 2:.1f}" y="{y + TAG - 4:.1f}" text-anchor="middle" font-family="sans-serif" '
        f'font-size="15" font-weight="700" fill="#000">{number}</text>'
    )


def draw_boxes(
    image: NDArray[np.uint8],
    boxes: Sequence[tuple[float, float, float, float]],
    texts: Sequence[str],
    *,
    kinds: Sequence[int],
) -> NDArray[np.uint8]:
    """A copy of the image with a frame and a few words for each box.

    Args:
        image: (height, width, 3) uint8.
        boxes: x_min, y_min, x_max, y_max in pixels.
        texts: what stands above each.
        kinds: which colour each gets; equal numbers get the same.
    """
    canvas = Image.fromarray(image.copy())
    draw, longer = ImageDraw.Draw(canvas), max(image.shape[:2])
    line, font = max(2, round(OUTLINE * longer)), ImageFont.load_default(max(11, round(LETTERS * longer)))
    for box, text, kind in zip(boxes, texts, kinds, strict=True):
        colour = COLOURS[kind % len(COLOURS)]
        draw.rectangle(box, outline=colour, width=line)
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        height, width = bottom - top + 4, right - left + 6
        x = min(max(0, box[0]), max(0, image.shape[1] - width))
        y = box[1] - height if box[1] >= height else box[1]
        draw.rectangle((x, y, x + width, y + height), fill=colour)
        draw.text((x + 3 - left, y + 2 - top), text, fill="black", font=font)
    return np.asarray(canvas)
