"""`--pretrained NAME`: the weights that a user can name, and how each is had."""

from vidi.errors import UnknownNameError
from vidi.networks.pretrained.packaged import PACKAGES, packaged_weights
from vidi.networks.pretrained.weights import PretrainedWeights


def read_pretrained(source: str) -> PretrainedWeights:
    """The weights that the user named.

    Args:
        source: a name.

    Raises:
        UnknownNameError: there is none of that name.
        MissingPackageError, ModelError, ResourceError: they cannot be had; the message says why.
    """
    if source in PACKAGES:
        return packaged_weights(source)
    raise UnknownNameError(f"no weights are called {source!r}", f"Use one of: {', '.join(PACKAGES)}.")
