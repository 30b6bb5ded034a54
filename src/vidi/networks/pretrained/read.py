"""`--pretrained NAME|FILE|timm/NAME`: the weights that a user can name, and how each is had."""

from pathlib import Path

from vidi.errors import UnknownNameError
from vidi.networks.backbone import PREFIX
from vidi.networks.pretrained.from_file import is_file_of_weights, weights_of_file
from vidi.networks.pretrained.from_timm import timm_weights
from vidi.networks.pretrained.hub import HOSTED, OnProgress, hosted_weights
from vidi.networks.pretrained.packaged import OF_WINDOWS, PACKAGES, PAIRS, packaged_weights, paired_weights
from vidi.networks.pretrained.weights import PretrainedWeights


def read_pretrained(source: str, *, on_progress: OnProgress | None = None) -> PretrainedWeights:
    """The weights that the user named.

    The network is used for the names that lie on the hub alone, and only the first time.

    Args:
        source: a name, or a file. An existing file wins over a name.
        on_progress: called with what is fetched, the bytes so far and in all.

    Raises:
        UnknownNameError: there is none of that name.
        UsageError, MissingPackageError, ModelError, ResourceError: they cannot be had; the message says why.
    """
    if is_file_of_weights(source):
        return weights_of_file(Path(source))
    if source.startswith(PREFIX):
        return timm_weights(source)
    if source in (*PACKAGES, *OF_WINDOWS):
        return packaged_weights(source)
    if source in PAIRS:
        return paired_weights(source)
    if source in HOSTED:
        return hosted_weights(source, on_progress=on_progress)
    if Path(source).exists():  # a folder; one that is called like known weights stands back
        return weights_of_file(Path(source))
    raise UnknownNameError(
        f"no weights are named {source!r}",
        f"Use one of: {', '.join((*PACKAGES, *PAIRS, *OF_WINDOWS, *HOSTED))}; "
        "or a file that ends in .safetensors or .pth; or timm/NAME.",
    )
