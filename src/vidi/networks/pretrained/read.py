"""`--pretrained NAME|FILE|timm/NAME`: the weights that a user can name, and how each is had."""

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vidi.data.cache import cache_folder
from vidi.errors import MissingPackageError, ModelError, ResourceError, UnknownNameError, UsageError
from vidi.files import FolderLock, digest_of_file, escape_path, writing_error
from vidi.networks.backbone import create_backbone
from vidi.networks.catalog import HOSTED, NETWORKS, OF_WINDOWS, PACKAGES, PAIRS, TIMM, Hosted
from vidi.networks.exported import check_export, export_body
from vidi.networks.pretrained.packaged import is_installed, packaged_weights, paired_weights
from vidi.networks.pretrained.recognise import recognise
from vidi.networks.pretrained.weights import (
    PretrainedWeights,
    digest_of_tensors,
    find_weights,
    keep_weights,
    read_restricted,
)

if TYPE_CHECKING:
    from tqdm import tqdm

WEIGHTS, CARD = "model.safetensors", "README.md"
UNSTATED_LICENSE = "not stated on its page"

OnProgress = Callable[[str, int, int], None]  # what, bytes so far, bytes in all
SAFE, TORCH = ".safetensors", (".pth", ".pt", ".bin")
UNKNOWN_LICENSE = "unknown: ask the author"
_NEWER = "Update vidi: its pip package may know what the hub holds by now."


def hosted_weights(name: str, *, on_progress: OnProgress | None = None) -> PretrainedWeights:
    """The weights of that name, from the cache or, the first time, from the hub.

    What broke off is fetched again; nothing half fetched is ever used or kept. No token is sent, and of vidi's own no
    more than the request itself. `HF_ENDPOINT` and `HF_HUB_OFFLINE` mean what they mean to huggingface-hub.

    Args:
        name: in `HOSTED`.
        on_progress: called with what is fetched, the bytes so far and in all.

    Raises:
        UnknownNameError: vidi knows of no such weights there.
        MissingPackageError: huggingface-hub is not installed.
        ResourceError: the hub cannot be reached or breaks off, or the disk refuses.
        ModelError: what it sent is not the file that vidi knows.
        UsageError: another process is fetching it.
    """
    if name not in HOSTED:
        raise UnknownNameError(f"no weights on the hub are named {name!r}", f"Use one of: {', '.join(HOSTED)}.")
    hosted = HOSTED[name]
    kept = _kept(name)
    found = find_weights(kept, digest=hosted.digest or None)
    if found is not None:
        return found
    if find_spec("huggingface_hub") is None:
        raise MissingPackageError(
            f"the weights of {name} need huggingface-hub, which is not installed",
            f'Install it with: pip install "vidi[hub]"; {_by_hand(hosted)}',
        )
    with _fetching(kept.with_suffix(".fetching")) as folder:
        path = _fetch(hosted, WEIGHTS, folder, on_progress)
        digest = digest_of_file(path)
        if hosted.digest not in ("", digest):
            path.unlink()
            raise ModelError(
                f"the download is not the {WEIGHTS} of {hosted.repository} that vidi knows, and was deleted",
                f"Try again later; {_by_hand(hosted)}",
            )
        found_in_file = recognise(_read(path), source=hosted.repository)
        if found_in_file.network != name:
            raise ModelError(f"{hosted.repository} holds weights of {found_in_file.network}, not of {name}", _NEWER)
        weights = PretrainedWeights(
            name=name,
            network=name,
            normalisation=NETWORKS[name].normalisation,
            license=_license(_fetch(hosted, CARD, folder, None)),
            digest=digest,
            tensors=found_in_file.tensors,
        )
        keep_weights(kept, weights)
    shutil.rmtree(folder, ignore_errors=True)  # kept in our own form; twice would be twice the space
    return weights


def _kept(name: str) -> Path:
    """Where fetched weights lie."""
    digest = HOSTED[name].digest
    return cache_folder() / "weights" / f"{name}-{digest[:12] or 'newest'}.safetensors"


def is_at_hand(name: str) -> bool:
    """Whether weights of that name are here: their packages are installed, or they were fetched.

    Args:
        name: in `PACKAGES`, `PAIRS` or `HOSTED`; nothing is imported or read.
    """
    return _kept(name).is_file() if name in HOSTED else is_installed(name)


@contextlib.contextmanager
def _fetching(folder: Path) -> Iterator[Path]:
    """A folder held by this process; what a killed one left half fetched is cleared, whole files stay."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_error(error, folder) from error
    with FolderLock(folder):
        for leftover in folder.rglob("*.incomplete"):
            leftover.unlink(missing_ok=True)
        yield folder


def _fetch(hosted: Hosted, file: str, folder: Path, on_progress: OnProgress | None) -> Path:
    """One file of the repository, by the hub's own library."""
    # Both are read when the library is first imported. Its second way of fetching keeps a cache of its own elsewhere.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    from huggingface_hub import constants, errors, hf_hub_download

    # Of the HTTP library beneath, which is another one from release to release.
    broken_connection: type[Exception] = vars(errors)["HTTPError"]
    try:
        with _quietly():
            path = hf_hub_download(
                hosted.repository,
                file,
                revision=hosted.revision,
                local_dir=folder,
                token=False,
                tqdm_class=_progress_bar(f"fetching {hosted.repository}", on_progress),
            )
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, errors.HfHubHTTPError) as error:
        cause = error if isinstance(error, errors.HfHubHTTPError) else error.__cause__ or error
        if constants.is_offline_mode():
            reason = "HF_HUB_OFFLINE forbids it"
        elif isinstance(cause, errors.HfHubHTTPError):
            reason = f"the hub answered {cause.response.status_code}"
        else:
            reason = f"the hub cannot be reached ({type(cause).__name__}: {cause})"
        raise _not_fetched(hosted, file, reason) from error
    except broken_connection as error:
        raise _not_fetched(hosted, file, f"the connection broke off ({error})") from error
    except OSError as error:
        if error.errno is not None:
            raise writing_error(error, folder / file) from error
        raise _not_fetched(hosted, file, "the download broke off before the file was whole") from error
    return Path(path)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """What goes wrong is said once, in our own error: not also by the hub's library, on a line of its own."""
    from huggingface_hub.utils import logging as library

    before = library.get_verbosity()
    library.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        library.set_verbosity(before)


def _license(card: Path) -> str:
    """What the page of the weights states: the head of its README is YAML."""
    from huggingface_hub.repocard import metadata_load
    from yaml import YAMLError

    try:
        about = metadata_load(card) or {}
    except (YAMLError, ValueError):
        return UNSTATED_LICENSE
    stated = about.get("license_name") if about.get("license") == "other" else about.get("license")
    return str(stated) if stated else UNSTATED_LICENSE


def _progress_bar(what: str, on_progress: OnProgress | None) -> "type[tqdm[Any]]":
    """A bar in the library's manner that draws nothing and tells the listener."""
    from tqdm import tqdm

    class ProgressCounter(tqdm):  # type: ignore[misc]
        """Counts; someone else draws."""

        monitor_interval = 0  # no thread that looks after drawing
        closed = False

        def display(self, msg: str | None = None, pos: int | None = None) -> None:  # noqa: ARG002
            """Tell how far it is."""
            if on_progress is not None and self.total:
                on_progress(what, int(self.n), int(self.total))

        def close(self) -> None:
            """Tell the end once; there is no line to take away."""
            if not self.closed:
                self.closed = True
                self.display()

    return ProgressCounter


def _not_fetched(hosted: Hosted, file: str, reason: str) -> ResourceError:
    return ResourceError(f"{file} of {hosted.repository} could not be downloaded: {reason}", _by_hand(hosted))


def _by_hand(hosted: Hosted) -> str:
    return (
        f"Download {WEIGHTS} ({hosted.size}) from https://huggingface.co/{hosted.repository} by hand, "
        f"then: --pretrained {WEIGHTS}"
    )


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
    if Path(source).suffix in (SAFE, *TORCH, ".onnx") or Path(source).is_file():  # meant as a file, there or not
        return weights_of_file(Path(source))
    if source.startswith(TIMM):
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


def weights_of_file(path: Path) -> PretrainedWeights:
    """The weights in a safetensors file or a state dict of torch; no code of the file runs.

    Args:
        path: ends in .safetensors, .pth, .pt or .bin. What vidi itself kept says its network, scaling and licence;
            of other files the network is found by names and shapes, and images are taken to be scaled as usual for it.

    Raises:
        UsageError: it is a run or a model file, which are begun from with --from, or of another kind.
        ModelError: it cannot be read, holds more than tensors, or weights of no network of vidi.
    """
    shown = escape_path(path)
    if path.is_dir() or path.suffix == ".onnx":
        raise UsageError(
            f"{shown} is a run or a model file, not a file of weights", f"Start from it with: --from {shown}"
        )
    if path.suffix not in (SAFE, *TORCH):
        raise UsageError(
            f"{shown} does not have the ending of a file of weights",
            f"Use a file that ends in {', '.join((SAFE, *TORCH))}.",
        )
    try:
        digest = digest_of_file(path)
    except OSError as error:
        raise ModelError(f"{shown} cannot be read: {error.strerror}", "Check the path.") from error
    kept = find_weights(path) if path.suffix == SAFE else None
    if kept is not None:
        return kept
    found = recognise(_without_prefix(_read(path)), source=shown)
    return PretrainedWeights(
        name=path.name,
        network=found.network,
        normalisation=NETWORKS[found.network].normalisation,
        license=UNKNOWN_LICENSE,
        digest=digest,
        tensors=found.tensors,
    )


def _read(path: Path) -> Mapping[str, Tensor]:
    if path.suffix != SAFE:
        return read_restricted(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"{escape_path(path)} is not a complete safetensors file", "Download or copy it again."
        ) from error


def _without_prefix(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Names without what wrapping a network puts before every one of them."""
    for prefix in ("module.", "_orig_mod.", "model."):
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


# Mean and standard deviation of the pixels from 0 to 1, to the word that vidi has for it.
TIMM_NORMALISATIONS: Mapping[tuple[tuple[float, ...], tuple[float, ...]], str] = {
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): "imagenet",
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "symmetric",
}
UNSTATED_BY_TIMM = "not stated by timm: see the page of the weights"


def timm_weights(name: str) -> PretrainedWeights:
    """The weights of a network of timm; they are fetched and kept where timm does it.

    Whether the network can be written into a model file is tried here, before anything is trained.

    Args:
        name: `timm/` and a name of timm's list, say `timm/resnet18.a1_in1k`.

    Raises:
        MissingPackageError: timm is not installed.
        UnknownNameError: timm has no such network, or no weights for it.
        ResourceError: they cannot be fetched.
        ModelError: they want images scaled in a way that vidi does not know, or cannot be written as ONNX.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is first imported
    try:
        body = create_backbone(name, pretrained=True)
    except OSError as error:  # what the libraries beneath raise without a network
        raise ResourceError(
            f"the weights of {name} could not be fetched: {type(error).__name__}: {error}", "Try again later."
        ) from error
    about: Any = body.pretrained_cfg  # what timm says about the weights that it loaded
    normalisation = TIMM_NORMALISATIONS.get((tuple(about.get("mean", ())), tuple(about.get("std", ()))))
    if normalisation is None:
        raise ModelError(
            f"{name} needs a normalisation that vidi does not support: mean {about.get('mean')}, "
            f"standard deviation {about.get('std')}",
            "Use weights with the usual normalisation of ImageNet, or with 0.5 for all channels.",
        )
    height, width = about["input_size"][-2:]
    graph = export_body(body, image_size=(height, width), prefix=name)
    check_export(body, graph, image_size=(height, width))
    tensors = {f"layers.0.body.{key}": tensor.detach() for key, tensor in body.state_dict().items()}
    return PretrainedWeights(
        name=name,
        network=name,
        normalisation=normalisation,
        license=str(about.get("license") or UNSTATED_BY_TIMM),
        digest=digest_of_tensors(tensors),
        tensors=tensors,
    )
