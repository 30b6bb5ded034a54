"""Using a model writes nothing into the user's home, and so nothing that could be sent."""

import os
import subprocess
import sys
from pathlib import Path


def test_loading_the_runtime_leaves_no_device_id_and_no_telemetry(tmp_path: Path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}

    subprocess.run(
        [sys.executable, "-c", "import vidi.prediction.engines"],
        env={**environment, "HOME": str(tmp_path)},
        check=True,
    )

    assert list(tmp_path.rglob("*")) == []
