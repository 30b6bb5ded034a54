"""Registered models: promoted whole, rolled back with the same bytes, and every decision written down."""

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import vidi
from tests.counts import count
from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from tests.registry import kill_at_every_line
from vidi.errors import ModelError, UsageError
from vidi.files import write_atomic
from vidi.model_file.read import find_model, read_model
from vidi.registry import LockedName, Reasons, find_name, list_registered, read_history
from vidi.workflows.promote import promote, roll_back
from vidi.workflows.requests.in_use import PromoteRequest, RollbackRequest


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The registry's folder; models a, b and c lie in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIDI_MODELS", raising=False)
    for seed, name in enumerate("abc"):
        Path(name).mkdir()
        tiny_model(Path(name) / "model.onnx", seed=seed)
    return tmp_path / "models"


def promoted(model: str, root: Path, *, why: str = "") -> str:
    return promote(PromoteRequest(model=Path(model), name="faces", why=why), root=root).decision.version


def in_use(root: Path) -> bytes:
    return find_model(root / "faces").read_bytes()


def bytes_of(model: str) -> bytes:
    return (Path(model) / "model.onnx").read_bytes()


def test_a_promoted_model_is_found_by_its_name_with_the_same_bytes(root: Path):
    assert promoted("a", root) == "1"
    assert promoted("b", root) == "2"

    assert find_model(Path("faces")).read_bytes() == bytes_of("b") == in_use(root)


def test_an_existing_path_wins_over_a_name_and_says_where_the_other_is(root: Path):
    promoted("a", root)
    Path("faces").mkdir()

    with pytest.raises(ModelError, match=r"holds no model.onnx\n.*models/faces"):
        find_model(Path("faces"))


def test_the_registry_may_lie_elsewhere(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIDI_MODELS", str(tmp_path / "elsewhere"))

    promote(PromoteRequest(model=Path("a"), name="faces"))

    assert find_model(Path("faces")) == tmp_path / "elsewhere" / "faces" / "1" / "model.onnx"


def test_rolling_back_gives_the_version_before_with_its_bytes_and_again_the_one_before(root: Path):
    for model in "abc":
        promoted(model, root)

    roll_back(RollbackRequest(name="faces"), root=root)
    assert in_use(root) == bytes_of("b")
    roll_back(RollbackRequest(name="faces"), root=root)
    assert in_use(root) == bytes_of("a")
    with pytest.raises(UsageError, match="no version before"):
        roll_back(RollbackRequest(name="faces"), root=root)


def test_after_a_rollback_and_a_promotion_the_way_back_leads_past_what_was_rolled_back(root: Path):
    for model in "ab":
        promoted(model, root)
    roll_back(RollbackRequest(name="faces"), root=root)
    promoted("c", root)

    roll_back(RollbackRequest(name="faces"), root=root)

    assert in_use(root) == bytes_of("a")


def test_a_version_may_be_named_also_one_that_was_rolled_back(root: Path):
    for model in "abc":
        promoted(model, root)
    roll_back(RollbackRequest(name="faces", to="1"), root=root)

    roll_back(RollbackRequest(name="faces", to="3"), root=root)

    assert in_use(root) == bytes_of("c")
    with pytest.raises(UsageError, match=r"no version '9'\n  It has: 1, 2, 3"):
        roll_back(RollbackRequest(name="faces", to="9"), root=root)


def test_a_model_that_is_promoted_twice_is_kept_once(root: Path):
    assert [promoted(model, root) for model in "aba"] == ["1", "2", "1"]
    assert promoted("a", root) == "1"

    assert [one.version for one in read_history(root / "faces")] == ["1", "2", "1"]
    roll_back(RollbackRequest(name="faces"), root=root)
    assert in_use(root) == bytes_of("b")


def test_the_history_says_who_when_why_and_what_came_before(root: Path):
    promoted("a", root, why="first one")
    promoted("b", root, why="better in the dark")

    (line, last) = [json.loads(line) for line in (root / "faces" / "history.jsonl").read_text().splitlines()]

    assert (line["why"], line["replaced"], line["action"], line["origin"]) == (
        "first one",
        None,
        "promote",
        str(root.parent / "a"),
    )
    assert (last["why"], last["replaced"], last["version"]) == ("better in the dark", "1", "2")
    assert last["who"]
    assert last["at"].endswith("+00:00")
    assert last["model"] == read_model(Path("b")).model_id


def test_report_and_card_lie_beside_the_model_and_the_card_names_the_version(root: Path):
    Path("a/report.html").write_text("the report")
    Path("a/model_card.md").write_text("# a\n")
    promoted("a", root)

    version = root / "faces" / "1"
    assert (version / "report.html").read_text() == "the report"
    assert "Registered as `faces`, version 1" in (version / "model_card.md").read_text()


def test_a_version_that_was_changed_is_not_gone_back_to(root: Path):
    promoted("a", root)
    promoted("b", root)
    write_atomic(root / "faces" / "1" / "model.onnx", bytes_of("c"))

    with pytest.raises(ModelError, match="is not the file that was promoted"):
        roll_back(RollbackRequest(name="faces"), root=root)

    assert in_use(root) == bytes_of("b")


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "x" * 65, "a b"])
def test_a_name_that_could_be_a_path_is_refused(name: str, root: Path):
    with pytest.raises(UsageError, match="cannot be a model's name"):
        promote(PromoteRequest(model=Path("a"), name=name), root=root)


def test_a_refused_candidate_is_written_down_and_changes_nothing(root: Path):
    promoted("a", root)

    with LockedName(root / "faces") as held:
        held.keep(Reasons(who="gate", at="2026-01-01T00:00:00+00:00", why="worse", model="b"))

    registered = find_name(root, "faces")
    assert [one.action for one in registered.decisions] == ["promote", "keep"]
    assert registered.current.version == "1"
    assert registered.standing == ("1",)


def test_a_damaged_current_is_said_with_what_to_do(root: Path):
    promoted("a", root)
    write_atomic(root / "faces" / "current", "{")

    with pytest.raises(ModelError, match=r"cannot be read\n.*vidi promote MODEL --name faces"):
        find_model(Path("faces"))


def test_the_verbs_print_what_is_in_use_and_how_to_go_back(root: Path, tmp_path: Path):
    (tmp_path / "x.png").write_bytes(encoded(draw("disc")))
    vidi("promote", "a", "--name", "faces", folder=tmp_path)
    done = vidi("promote", "b", "--name", "faces", "--why", "dark photographs", folder=tmp_path)
    answer = vidi("predict", "faces", "x.png", "--json", folder=tmp_path)
    back = vidi("rollback", "faces", "--json", folder=tmp_path)
    listed = vidi("runs", "--json", folder=tmp_path)

    assert "faces is now version 2" in done.stdout
    assert "to go back: vidi rollback faces" in done.stdout
    assert json.loads(answer.stdout)["model"]["id"] == read_model(Path("b")).model_id
    assert json.loads(back.stdout)["version"] == "1"
    assert [(one["name"], one["kind"], one["version"]) for one in json.loads(listed.stdout)] == [
        ("faces", "registered", "1")
    ]


def _promote(folder: str, model: str, start: "multiprocessing.synchronize.Event") -> None:
    os.chdir(folder)
    start.wait()
    promote(PromoteRequest(model=Path(model), name="faces"), root=Path("models"))


@pytest.mark.slow  # starts processes
def test_several_processes_that_promote_at_once_each_make_a_version(root: Path, tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    start = context.Event()
    processes = [context.Process(target=_promote, args=(str(tmp_path), model, start)) for model in "abc"]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(60)

    (registered,) = list_registered(root)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert [one.version for one in registered.decisions] == ["1", "2", "3"]
    assert [one.number for one in registered.decisions] == [1, 2, 3]
    assert {(root / "faces" / str(n) / "model.onnx").read_bytes() for n in (1, 2, 3)} == set(map(bytes_of, "abc"))


@pytest.mark.fault
@pytest.mark.slow  # a process that dies at many lines
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_kill_at_any_line_leaves_the_old_model_or_the_new_one(root: Path):
    script, models = kill_at_every_line.__file__, [read_model(Path(name)).model_id for name in "ab"]
    further = count(small=11, faults=3, soak=1)  # lines from one death to the next
    words = [sys.executable, script, str(root), "a", "b", str(further)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    deaths = [json.loads(line) for line in done.stdout.splitlines()]

    assert len(deaths) > 200 / further
    assert [death for death in deaths if death["used"] != death["told"] or death["wrong"] != [0]] == []
    for step, (old, new) in {"promote": models, "rollback": models[::-1]}.items():
        used = [death["used"] for death in deaths if death["step"] == step]
        assert set(used) == {old, new}
        assert used == sorted(used, key=[old, new].index)  # the old one until a certain line, then the new one


@pytest.mark.slow  # starts processes
def test_rolling_back_costs_less_than_a_second_of_processor_time_more_than_a_bare_process(root: Path, tmp_path: Path):
    for model in "ab":
        promoted(model, root)

    def seconds(*words: str) -> float:
        before = os.times()
        subprocess.run([sys.executable, *words], cwd=tmp_path, check=True, capture_output=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert seconds("-m", "vidi", "rollback", "faces") - seconds("-c", "pass") < 1
    assert in_use(root) == bytes_of("a")
