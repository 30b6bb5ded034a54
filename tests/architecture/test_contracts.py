"""The layers of the tree, as import-linter reads them from pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow  # builds the graph of all imports, about two seconds
def test_a_folder_imports_only_what_is_below_it():
    command = Path(sys.executable).with_name("lint-imports")
    if not command.exists():
        pytest.skip("needs:import-linter")
    result = subprocess.run([command], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert result.returncode == 0, result.stdout
