"""The figures of the house, counted in a tree that is small enough to count by hand."""

from pathlib import Path

import pytest
from tools.measure_house import classes_over, folder_cycles, functions_over, imports, private_names, sideways

FILES = {
    "data/read.py": "from vidi.images.pixels import shown\n",
    "images/pixels.py": "from vidi.data import copies\nimport vidi.errors\n",
    "images/size.py": "def shown(): ...\n",
    "data/copies.py": "",
    "workflows/run/plan.py": (
        "def late():\n    from vidi.workflows.studies.curve import x\n    import vidi.workflows.requests.a\n"
    ),
    "workflows/studies/curve.py": "from vidi.workflows.requests import a\n",
    "workflows/requests/a.py": "",
    "errors.py": (
        "import torch._C\nfrom uvicorn.server import Server\n"
        "class Kept:\n"
        "    low: int\n    high: int = 1\n"
        "    def __init__(self, a, *, b):\n        self._sum = a\n        self._sum += b\n"
        "    def total(self, study):\n        return self._sum + study._storage + study._replace()\n"
    ),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / "vidi" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "vidi" / name).write_text(text)
    return tmp_path / "vidi"


def test_folders_that_import_each_other_are_found_although_no_modules_do(source: Path):
    graph = imports(source)

    assert graph["vidi.images.pixels"] == {"vidi.data.copies", "vidi.errors"}
    assert folder_cycles(graph) == ["vidi: data images"]
    assert sideways(graph) == ["vidi.workflows.run.plan → vidi.workflows.studies.curve"]


def test_fields_parameters_and_private_names_are_counted(source: Path):
    paths = [source / "errors.py"]

    assert (classes_over(2, paths), classes_over(3, paths)) == (["errors.py Kept: 3"], [])
    assert (functions_over(1, paths), functions_over(2, paths)) == (["errors.py __init__: 2"], [])
    assert private_names(paths) == [
        "errors.py:1 torch._C",
        "errors.py:2 uvicorn.server.Server",
        "errors.py:10 _storage",
    ]
