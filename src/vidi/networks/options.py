"""The options of a network's shape."""

from dataclasses import dataclass, fields
from typing import Literal

from vidi.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """Shape of a network; `build_network` refuses fields that the network does not have."""

    filters: tuple[int, ...] | None = (
        None  # textbook: filters of each convolution block (default: as many blocks as fit)
    )
    pooling: Literal["max", "average"] | None = None  # textbook: kind of pooling (default max)
    dense_width: int | None = None  # width of the dense layers (default: textbook 64, dense 128, vgg16 4096)
    width: float | None = None  # compact, vgg16, resnet50: factor on all channel counts (default 1)
    grey: bool | None = None  # compact: first layer without colour channels (default False)
    activation: Literal["relu", "gelu"] | None = None  # compact: what follows each layer (default relu)
    block_features: bool | None = None  # Lite networks: the last blocks' maps join the features (default False)

    def __post_init__(self) -> None:
        if self.filters is not None and (not self.filters or min(self.filters) < 1):
            raise UsageError(
                f"filters is {self.filters}", "Use one or more counts of at least 1, for example 32,64,64."
            )
        if self.pooling not in (None, "max", "average"):
            raise UsageError(f"pooling is {self.pooling!r}", "Use max or average.")
        if self.activation not in (None, "relu", "gelu"):
            raise UsageError(f"activation is {self.activation!r}", "Use relu or gelu.")
        if self.dense_width is not None and self.dense_width < 1:
            raise UsageError(f"dense_width is {self.dense_width}", "Use 1 or more.")
        if self.width is not None and not 0.1 <= self.width <= 8:
            raise UsageError(f"width is {self.width}", "Use 0.1 to 8; 1 is the usual network.")

    def refuse_others(self, network: str, *known: str) -> None:
        """Raise a UsageError where an option is set that this network does not have."""
        for field in fields(self):
            if field.name not in known and object.__getattribute__(self, field.name) is not None:
                has = ", ".join(known) if known else "none"
                raise UsageError(f"{network} has no option {field.name}", f"Options of {network}: {has}.")


def widened(count: int, options: NetworkOptions) -> int:
    """Channels times the user's width, in steps of 8.

    >>> widened(48, NetworkOptions(width=0.5)), widened(48, NetworkOptions())
    (24, 48)
    """
    return max(8, 8 * round(count * (options.width or 1.0) / 8))
