"""Tokens are long, kept privately, and compared in constant time."""

import os
import stat

import pytest

from vidi.errors import UsageError
from vidi.serving.auth.access import TokenLock, is_read_by_others, make_token, read_token, write_token


def test_a_made_token_is_written_for_its_owner_alone_and_read_back(tmp_path):
    token, path = make_token(), tmp_path / "token"

    write_token(path, token)

    assert read_token(path) == token
    assert TokenLock(token).opens(token.encode())
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not is_read_by_others(path)


def test_a_token_file_is_never_written_over(tmp_path):
    path = tmp_path / "token"
    path.write_text("mine")

    with pytest.raises(UsageError, match=r"token: the access token cannot be written: File exists"):
        write_token(path, make_token())
    assert path.read_text() == "mine"


@pytest.mark.skipif(os.name != "posix", reason="needs:unix")
def test_a_file_that_others_may_read_is_noticed(tmp_path):
    path = tmp_path / "token"
    path.write_text("x" * 20)
    path.chmod(0o644)

    assert is_read_by_others(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty or has signs"),
        ("two words of a token", "is empty or has signs"),
        ("short", "has only 5 signs"),
        ("schlüssel-schlüssel", "is empty or has signs"),
    ],
)
def test_a_token_that_cannot_serve_is_refused_without_being_shown(tmp_path, text, reason):
    path = tmp_path / "token"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match=f"token: the access token {reason}") as caught:
        read_token(path)
    assert text == "" or text not in str(caught.value)


def test_a_missing_token_file_is_named(tmp_path):
    with pytest.raises(UsageError, match="missing: the access token cannot be read"):
        read_token(tmp_path / "missing")
