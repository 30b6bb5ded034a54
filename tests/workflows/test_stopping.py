"""The first Ctrl-C asks for an orderly end and is answered, the second ends at once."""

import signal
import sys

import pytest

from vidi.workflows.interaction.stopping import STOPPING, stop_on_signal, tell_terminal


def test_the_first_interrupt_is_answered_and_the_second_ends_at_once() -> None:
    said: list[str] = []

    with stop_on_signal(tell=said.append) as should_stop:
        assert not should_stop()
        signal.raise_signal(signal.SIGINT)
        assert should_stop()
        assert said == [STOPPING]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    assert said == [STOPPING]


def test_nothing_is_written_where_nobody_sits(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_terminal("a line")
    monkeypatch.setattr(sys, "stderr", None)
    tell_terminal("a line")

    assert capfd.readouterr().err == ""
