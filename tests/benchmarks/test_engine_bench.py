"""What the engine's bench says of rounds that were measured."""

import json

import pytest
from bench import engine


def measured_round(*, vidi: float = 100.0, keras: float = 40.0, faults: tuple[int, ...] = (0,) * 9):
    rival = {"versions": {"keras": "3"}}
    return {
        "processor": "drawn",
        "vidi": {
            "images_per_second": vidi,
            "faults": list(faults),
            "precision": "bfloat16",
            "chosen": "measured",
            "versions": {"vidi": "0"},
        },
        "keras fp32": {"images_per_second": keras, **rival},
        "keras mixed_bfloat16": {"images_per_second": 90.0, **rival},
        "torch": {"images_per_second": 20.0, **rival},
    }


def test_every_bar_met_is_success(capsys):
    assert engine.report([measured_round(), measured_round(vidi=110.0)])

    printed = capsys.readouterr().out
    assert "| keras fp32 | 40.0 | 40.0 – 40.0 | 2.62 | 2.50 – 2.75 | 1.90 met |" in printed
    assert "NOT met" not in printed


@pytest.mark.parametrize(
    ("worse", "line"),
    [
        ({"keras": 60.0}, "| keras fp32 |"),
        ({"faults": (0, 0, 0, 0, 900, 800)}, "page faults"),
    ],
)
def test_one_bar_missed_is_failure_and_said(capsys, worse, line):
    assert not engine.report([measured_round(**worse)])

    (said,) = [text for text in capsys.readouterr().out.splitlines() if "NOT met" in text]
    assert said.startswith(line)


def test_without_the_rivals_what_can_be_measured_is_shown_and_how_to_get_them(capsys, tmp_path):
    alone = {name: value for name, value in measured_round().items() if name not in engine.LEAST}

    assert not engine.report([alone], rivals=tmp_path / "none")

    printed = capsys.readouterr().out
    assert "| vidi | 100.0 |" in printed
    assert "benchmarks/set_up" in printed


def test_a_round_without_the_rivals_is_measured_again_once_they_are_there(tmp_path):
    path = tmp_path / "round.json"
    path.write_text(json.dumps({"vidi": {}}))

    assert engine.is_complete(path, rivals=tmp_path / "none")
    assert not engine.is_complete(path, rivals=path)
