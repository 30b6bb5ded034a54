"""A model file that is replaced while it is served: taken whole, or refused and said."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.model_file.tiny import tiny_model
from vidi.errors import ModelError, VidiError
from vidi.files import write_atomic
from vidi.images.framing import Framing
from vidi.serving.engine.models import ModelTable, Reloader, TrialLimits, open_served, try_model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "model.onnx").path


def table_of(path: Path) -> ModelTable:
    return ModelTable([open_served("tiny", path)])


def test_a_replaced_file_is_taken_once(path: Path):
    table, told = table_of(path), []
    reloader = Reloader(table, lambda *what: told.append(what), tried=lambda _: None)

    reloader.look()
    new = tiny_model(path, seed=1)
    reloader.look()
    reloader.look()

    assert table.find("tiny").model_id == new.model_id
    assert [(name, model.model_id, why) for name, model, why in told] == [("tiny", new.model_id, "")]


def test_a_bad_file_leaves_the_old_model_and_its_reason(path: Path):
    table, told = table_of(path), []
    before = table.find("tiny")
    reloader = Reloader(table, lambda *what: told.append(what))

    write_atomic(path, "no model")
    reloader.look()

    assert table.find("tiny") is before
    assert "text" in table.refusals["tiny"]
    assert told[0][:2] == ("tiny", None)


def test_a_good_file_after_a_bad_one_is_taken_and_the_reason_forgotten(path: Path):
    table = table_of(path)
    reloader = Reloader(table, lambda *_: None, tried=lambda _: None)
    write_atomic(path, "no model")
    reloader.look()

    new = tiny_model(path, seed=2)
    reloader.look()

    assert table.find("tiny").model_id == new.model_id
    assert table.refusals == {}


def test_a_file_that_is_gone_changes_nothing(path: Path):
    table, told = table_of(path), []
    reloader = Reloader(table, lambda *what: told.append(what))

    path.unlink()
    reloader.look()

    assert not told
    assert table.find("tiny").name == "tiny"


def test_a_model_that_fails_its_trial_is_never_opened(path: Path):
    table = table_of(path)
    before = table.find("tiny")

    def refuse(_: Path) -> None:
        raise ModelError("too much memory", "Use a smaller model.")

    tiny_model(path, seed=3)
    Reloader(table, lambda *_: None, tried=refuse).look()

    assert table.find("tiny") is before


@pytest.mark.slow  # a process of its own
def test_the_trial_passes_a_good_model_and_says_what_is_wrong_with_a_bad_one(path: Path):
    try_model(path)

    write_atomic(path, "no model")
    with pytest.raises(ModelError, match="text"):
        try_model(path)


@pytest.mark.slow  # a process of its own
@pytest.mark.skipif(find_spec("openvino") is None, reason="needs:openvino")
def test_the_trial_fits_its_limits_by_openvino_too(path: Path):
    try_model(path, engine="openvino")

    with pytest.raises(VidiError, match="no-such"):  # the trial's process does take the engine that was named
        try_model(path, engine="no-such")


@pytest.mark.fault
@pytest.mark.slow  # processes of their own
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs:linux")  # memory is limited there
@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (TrialLimits(memory_bytes=8 << 20), "memory"),
        (TrialLimits(wall_seconds=0.1), r"took over 0\.1 s"),
    ],
    ids=["memory", "time"],
)
def test_a_model_that_costs_too_much_in_its_trial_is_refused(tmp_path: Path, limits: TrialLimits, said: str):
    framing = Framing(size=(1024, 1024))  # each image takes some ten megabytes in the graph

    path = tiny_model(tmp_path / "model.onnx", framing=framing).path

    with pytest.raises(ModelError, match=said):
        try_model(path, limits)
