"""Fetch what runs models in browsers, onnxruntime-web, into the page's folder: python tools/fetch_browser_runtime.py

npm brings the package; its digest stands in `src/vidi/export/web/runtime.json`. Files that are there already are left.
The package has no licence text of its own: the texts are those of onnxruntime for Python, from the same source.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

WEB = Path(__file__).parents[1] / "src" / "vidi" / "export" / "web"
VENDOR = WEB / "vendor"
TEXTS = ("LICENSE", "ThirdPartyNotices.txt")


def main() -> None:
    """Fetch the files, and say what was done."""
    pinned = json.loads((WEB / "runtime.json").read_text("utf-8"))
    wanted = [VENDOR / name for name in (*pinned["files"].values(), *names_of_texts(pinned).values())]
    if all(path.is_file() for path in wanted):
        print(f"{pinned['package']} {pinned['version']} is in {VENDOR}")
        return
    texts = licence_texts()
    with tempfile.TemporaryDirectory() as folder:
        archive = pack(pinned, Path(folder))
        check(archive, pinned["integrity"])
        VENDOR.mkdir(parents=True, exist_ok=True)
        unpack(archive, pinned["files"])
    for name, target in names_of_texts(pinned).items():
        (VENDOR / target).write_bytes(texts[name])
    for path in VENDOR.iterdir():
        if path not in wanted:
            path.unlink()  # of another version
    print(f"{pinned['package']} {pinned['version']} was fetched into {VENDOR}")


def names_of_texts(pinned: Mapping[str, Any]) -> dict[str, str]:
    """The licence texts, and what they are called beside the other files."""
    return {text: f"ort-{pinned['version']}.{text.removesuffix('.txt')}.txt" for text in TEXTS}


def pack(pinned: Mapping[str, Any], folder: Path) -> Path:
    """The package as npm brings it."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not installed. On Debian or Ubuntu type: sudo apt install npm")
    asked = [npm, "pack", "--silent", "--ignore-scripts", f"{pinned['package']}@{pinned['version']}"]
    done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=False)
    found = list(folder.glob("*.tgz"))
    if done.returncode or len(found) != 1:
        sys.exit(f"npm did not bring {pinned['package']} {pinned['version']}:\n{done.stderr.strip()}")
    return found[0]


def check(archive: Path, integrity: str, *, pinned_in: str = "runtime.json") -> None:
    """Refuse a package that is not the pinned one."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != integrity:
        sys.exit(f"{archive.name} is not the package that {pinned_in} pins:\n  wanted {integrity}\n  found  {found}")


def unpack(archive: Path, files: Mapping[str, str]) -> None:
    """The wanted files of the package, under names that hold their version."""
    with tarfile.open(archive) as packed:
        for member, name in files.items():
            stream = packed.extractfile(member)
            if stream is None:
                sys.exit(f"{archive.name} holds no {member}")
            (VENDOR / name).write_bytes(stream.read())


def licence_texts() -> dict[str, bytes]:
    """The licence and the notices of onnxruntime, as its package for Python has them."""
    try:
        files = distribution("onnxruntime").files or []
    except PackageNotFoundError:
        sys.exit("onnxruntime is not installed for this Python: run the tool by .venv/bin/python")
    found = {name: path for name in TEXTS for path in files if path.as_posix() == f"onnxruntime/{name}"}
    if len(found) < len(TEXTS):
        sys.exit("onnxruntime's package holds no licence texts")
    return {name: Path(str(path.locate())).read_bytes() for name, path in found.items()}


if __name__ == "__main__":
    main()
