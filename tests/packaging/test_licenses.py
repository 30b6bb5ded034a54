"""Everything that vidi brings along may be used, changed and passed on."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement

PERMISSIVE = re.compile(
    r"apache|bsd|\bmit\b|isc|python software foundation|psf|hpnd|zlib|cc0|unlicense|0bsd|mpl|mozilla|boost"
    r"|public domain",
    re.IGNORECASE,
)
COPYLEFT = re.compile(r"\b(a?gpl|gnu (affero )?general public|lgpl|sspl|busl|bsl-1\.1)", re.IGNORECASE)
# Runtime libraries of the compiler inside wheels come with GCC's own exception for linking.
GCC_EXCEPTION = re.compile(
    r"GPL-[23]\.0-(only|or-later) WITH GCC-exception-[23]\.1|libgfortran|libgomp|GCC RUNTIME LIBRARY", re.IGNORECASE
)
EXTRAS = (
    "report",
    "labels",
    "train",
    "demo",
    "hub",
    "timm",
    "tune",
    "serve",
    "log",
    "openvino",
    "heic",
    "video",
    "mlflow",
    "tensorboard",
    "ray",
)
# Stated exceptions: wheels that bundle codecs under the GPL beside permissive code; docs/decisions/0028 and 0064.
BUNDLE_GPL_CODECS = {"av", "pillow-heif"}


def stated_license(package: Distribution) -> str:
    """What a package says about its licence: the expression, the classifiers, or the head of its licence file."""
    metadata = package.metadata
    classifiers = [text for text in metadata.get_all("Classifier") or [] if text.startswith("License ::")]
    stated = metadata.get("License-Expression") or "; ".join(classifiers) or (metadata.get("License") or "")[:200]
    if stated.strip() in ("", "UNKNOWN"):
        files = [f for f in package.files or [] if re.search(r"licen[cs]e|copying", f.name, re.IGNORECASE)]
        stated = files[0].read_text()[:400] if files else ""
    return GCC_EXCEPTION.sub("", stated)


def closure(name: str, extras: tuple[str, ...]) -> dict[str, Distribution]:
    """The package and all that it needs here, by name."""
    found: dict[str, Distribution] = {}
    waiting: list[tuple[str, tuple[str, ...]]] = [(name, extras)]
    while waiting:
        wanted, parts = waiting.pop()
        package = distribution(wanted)
        key = package.metadata["Name"].lower().replace("_", "-")
        if key in found and not parts:
            continue
        found[key] = package
        for text in package.requires or []:
            requirement = Requirement(text)
            contexts = [{"extra": part} for part in parts] or [{"extra": ""}]
            if requirement.marker is None or any(requirement.marker.evaluate(context) for context in contexts):
                try:
                    distribution(requirement.name)
                except PackageNotFoundError:
                    continue
                if requirement.name.lower().replace("_", "-") not in found or requirement.extras:
                    waiting.append((requirement.name, tuple(requirement.extras)))
    return found


def test_every_package_that_vidi_needs_is_permissively_licensed():
    if len(closure("vidi", EXTRAS)) < 10:
        pytest.skip("needs:the demo extra")
    wrong = {
        name: stated
        for name, package in closure("vidi", EXTRAS).items()
        if not PERMISSIVE.search(stated := stated_license(package)) or COPYLEFT.search(stated)
    }
    assert wrong == {}


def test_codecs_under_the_gpl_come_with_the_stated_packages_alone():
    packages = closure("vidi", EXTRAS)
    if "av" not in packages:
        pytest.skip("needs:av")
    bundling = {
        name
        for name, package in packages.items()
        if any(re.search(r"x264|x265", file.name) for file in package.files or [])
    }
    assert bundling <= BUNDLE_GPL_CODECS
