"""Image sizes that a network cannot take."""

from vidi.errors import UsageError

SMALLEST_HALVED = 32  # pixels: what five halvings leave a place of


def refuse_small(network: str, image_size: tuple[int, int]) -> None:
    """Raise a UsageError where a network that halves its map five times would be left with nothing.

    Args:
        network: its name.
        image_size: (height, width) in pixels.
    """
    if min(image_size) < SMALLEST_HALVED:
        raise UsageError(
            f"{network} needs images of at least {SMALLEST_HALVED} pixels a side, not {image_size[0]}x{image_size[1]}",
            f"Use --imgsz {SMALLEST_HALVED} or more (its weights were trained at 224), or --network compact.",
        )
