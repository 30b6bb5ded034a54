"""Options that are more than a word or a number, as they are written on the command line."""

from collections.abc import Sequence
from datetime import datetime

from vidi.errors import UsageError


def parse_parts(text: str) -> dict[str, str]:
    """The pairs of `--parts`.

    Raises:
        UsageError: not `name=name`, or a name twice.

    >>> parse_parts("validation=test,test=extra")
    {'validation': 'test', 'test': 'extra'}
    """
    pairs: dict[str, str] = {}
    for pair in text.split(","):
        name, equals, use = (piece.strip() for piece in pair.partition("="))
        if not (name and equals and use) or name in pairs:
            raise UsageError(f"--parts {text!r} is not a list of pairs", "Write `--parts validation=test,test=extra`.")
        pairs[name] = use
    return pairs


def parse_share(text: str) -> tuple[float, float]:
    """(height, width) of `--fills`, shares of a training image.

    Raises:
        UsageError: not two shares.

    >>> parse_share("0.9x0.8")
    (0.9, 0.8)
    """
    try:
        height, width = (float(side) for side in text.lower().split("x"))
    except ValueError:
        height = width = 0.0
    if not (0 < height <= 1 and 0 < width <= 1):
        raise UsageError(f"--fills {text} is not two shares", "Write height and width, such as 0.9x0.8.")
    return height, width


def parse_image_size(text: str) -> tuple[int, int]:
    """What `--imgsz` says: `128` or `HEIGHTxWIDTH`.

    Raises:
        UsageError: it says something else.

    >>> parse_image_size("128x64")
    (128, 64)
    """
    pieces = text.lower().split("x")
    if len(pieces) > 2 or not all(piece.strip().isdigit() for piece in pieces):
        raise UsageError(f"--imgsz {text!r} is not a size", "Write one number, or HEIGHTxWIDTH such as 128x64.")
    height, width = int(pieces[0]), int(pieces[-1])
    if not (8 <= height <= 1024 and 8 <= width <= 1024):
        raise UsageError(f"--imgsz {text} is out of range", "Each side may have 8 to 1,024 pixels.")
    return height, width


def parse_settings(texts: Sequence[str]) -> dict[str, object]:
    """The pairs of `--set`, with numbers, true, false and lists read as such.

    >>> parse_settings(["epochs=5", "augmentation.flip=none", "options.filters=[8, 16]"])
    {'epochs': 5, 'augmentation.flip': 'none', 'options.filters': (8, 16)}
    """
    import json

    values: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(
                f"--set {text!r} is not a pair", "Write --set NAME=VALUE, such as --set label_smoothing=0.1."
            )
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        values[name] = tuple(parsed) if isinstance(parsed, list) else parsed
    return values


def parse_names(text: str) -> tuple[str, ...]:
    """The names in a comma-separated option.

    >>> parse_names("cat, dog")
    ('cat', 'dog')
    """
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parse_time(text: str) -> float:
    """A day or time as seconds since 1970; without a zone it is this computer's.

    Raises:
        UsageError: it is none.

    >>> parse_time("2026-03-01T12:00:00+00:00")
    1772366400.0
    """
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{text[:60]!r} is no day", "Write 2026-03-01, or 2026-03-01T18:30.") from error
