"""The page's modules run by node, as a browser would import them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from vidi.export.page_files import WEB

NODE = shutil.which("node")


def asked_of_node(script: str, given: object, folder: Path) -> object:
    """What a script makes of a value.

    Args:
        script: the body of a module in the page's folder; `given` stands for the value, and `give(value)` answers.
        given: plain values.
        folder: for the modules.
    """
    if NODE is None:
        pytest.skip("needs:node")
    for module in WEB.glob("*.js"):
        shutil.copy(module, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "given.json").write_text(json.dumps(given))
    head = (
        'import { readFileSync, writeFileSync } from "node:fs";\n'
        'const given = JSON.parse(readFileSync(new URL("given.json", import.meta.url)));\n'
        'const give = (value) => writeFileSync(new URL("made.json", import.meta.url), JSON.stringify(value));\n'
    )
    (folder / "asked.js").write_text(head + script)
    subprocess.run([NODE, folder / "asked.js"], check=True, timeout=120)
    return json.loads((folder / "made.json").read_text())
