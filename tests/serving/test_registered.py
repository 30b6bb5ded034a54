"""A server of a registered name: promoting and rolling back swap its model, and no request is lost."""

from pathlib import Path

import pytest

from tests.model_file.tiny import tiny_model
from tests.serving.process import loaded, next_match, served
from vidi.serving.engine.models import ModelTable, Reloader, open_served
from vidi.workflows.promote import promote, roll_back
from vidi.workflows.requests.in_use import PromoteRequest, RollbackRequest


def promoted(folder: Path, *, seed: int) -> str:
    model = tiny_model(folder / f"{seed}.onnx", seed=seed)
    promote(PromoteRequest(model=model.path, name="faces"), root=folder / "models")
    return model.model_id


def test_a_name_is_followed_and_a_file_beside_it_is_not(tmp_path: Path):
    promoted(tmp_path, seed=0)
    other = tiny_model(tmp_path / "other.onnx", seed=5)
    table = ModelTable([open_served("faces", tmp_path / "models" / "faces"), open_served("other", other.path)])
    reloader = Reloader(table, lambda *_: None, tried=lambda _: None)

    new = promoted(tmp_path, seed=1)
    tiny_model(other.path, seed=6)
    reloader.look(frozenset(["faces"]))

    assert table.find("faces").model_id == new
    assert table.find("other").model_id == other.model_id


def test_what_is_promoted_between_opening_and_watching_is_taken(tmp_path: Path):
    promoted(tmp_path, seed=0)
    table = ModelTable([open_served("faces", tmp_path / "models" / "faces")])
    new = promoted(tmp_path, seed=1)

    Reloader(table, lambda *_: None, tried=lambda _: None).look()

    assert table.find("faces").model_id == new


@pytest.mark.fault
@pytest.mark.slow  # a server and its clients
def test_promoting_and_rolling_back_under_load_loses_no_request(tmp_path: Path):
    root = tmp_path / "models"
    first = promoted(tmp_path, seed=0)
    with served(f"faces={root / 'faces'}") as (process, url), loaded(url) as load:
        second = promoted(tmp_path, seed=1)
        assert next_match(process.stdout, r'"event": "model".*"id": "(\w+)"') == second
        load.wait_for(20)
        roll_back(RollbackRequest(name="faces"), root=root)
        assert next_match(process.stdout, r'"event": "model".*"id": "(\w+)"') == first
        load.wait_for(20)

    assert load.lost == []
    assert {status for status, _ in load.answers} == {200}
    assert {model for _, model in load.answers} == {first, second}
