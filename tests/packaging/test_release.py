"""`make release` tries every extra, and sees what a package lacks."""

import pytest
from tools import release


def test_every_extra_is_tried():
    assert set(release.TRIALS) == {release.BASE, *release.PROJECT["optional-dependencies"]}
    assert next(iter(release.TRIALS)) == "demo"  # its run serves the others


def test_what_brings_torch_is_known():
    bringing = {extra for extra in release.PROJECT["optional-dependencies"] if "torch" in release.required([extra])}

    assert bringing == {"train", "hub", "timm", "demo", "tune", "app"}
    assert "torchvision" in release.required(["timm"])


@pytest.mark.parametrize("lost", ["vidi/__init__.py", "vidi/py.typed", "vidi-0.1.0.dist-info/licenses/LICENSE"])
def test_a_wheel_that_lacks_a_file_is_not_released(lost: str):
    vendor = [f"vidi/export/web/vendor/ort-1.{end}" for end in ("wasm", "LICENSE.txt", "ThirdPartyNotices.txt")]
    package = {name.removeprefix("src/") for name in release.known() if name.startswith("src/")}
    whole = [*package, *vendor, "vidi-0.1.0.dist-info/licenses/LICENSE", "vidi-0.1.0.dist-info/METADATA"]

    def wrong(names: list[str]) -> list[str]:
        return release.wrong_in_wheel(names, "vidi-0.1.0.dist-info")

    assert wrong(whole) == []
    assert wrong([name for name in whole if name != lost]) != []
    assert wrong([*whole, "tests/draw.py"]) == ["the wheel has tests/draw.py"]
