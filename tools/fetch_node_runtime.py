"""Fetch onnxruntime-node, with which a test replays an exported folder: python tools/fetch_node_runtime.py

npm brings both packages (110 MB); their digests stand in `tests/export/node_runtime.json`. Of the native files only
those of this computer are kept, in `build/node/node_modules/`. Files that are there already are left.
"""

import json
import platform
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from fetch_browser_runtime import check, pack

ROOT = Path(__file__).parents[1]
PINNED = ROOT / "tests" / "export" / "node_runtime.json"
MODULES = ROOT / "build" / "node" / "node_modules"
NATIVE = ("package", "bin")  # of each platform and processor: bin/napi-v6/linux/x64/...
SYSTEMS = {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}
PROCESSORS = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def main() -> None:
    """Fetch the packages that are not there in the pinned version, and say what was done."""
    for pinned in json.loads(PINNED.read_text("utf-8")):
        target = MODULES / pinned["package"]
        if version_of(target) == pinned["version"]:
            print(f"{pinned['package']} {pinned['version']} is in {target}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            archive = pack(pinned, Path(folder))
            check(archive, pinned["integrity"], pinned_in=PINNED.name)
            shutil.rmtree(target, ignore_errors=True)
            unpack(archive, target)
        print(f"{pinned['package']} {pinned['version']} was fetched into {target}")


def version_of(package: Path) -> str | None:
    """The version that lies in a folder; None where there is none."""
    try:
        version: str = json.loads((package / "package.json").read_text("utf-8"))["version"]
    except (OSError, ValueError, KeyError):
        return None
    return version


def unpack(archive: Path, target: Path) -> None:
    """The files of a package but for native ones of other computers; package.json comes last, and says it is whole."""
    here = (SYSTEMS.get(platform.system(), sys.platform), PROCESSORS.get(platform.machine(), platform.machine()))
    with tarfile.open(archive) as packed:
        members = [member for member in packed.getmembers() if member.isfile() and is_wanted(member.name, here)]
        for member in sorted(members, key=lambda one: one.name == "package/package.json"):
            stream = packed.extractfile(member)
            path = target.joinpath(*PurePosixPath(member.name).parts[1:])
            if stream is not None and ".." not in path.parts:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(stream.read())


def is_wanted(name: str, here: tuple[str, str]) -> bool:
    """Whether a file of a package is of use on this computer."""
    parts = PurePosixPath(name).parts
    return parts[:2] != NATIVE or parts[3:5] == here


if __name__ == "__main__":
    main()
