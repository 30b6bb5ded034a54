"""Access tokens: made, kept in a file, and compared without telling how much of a guess is right."""

import hmac
import os
import re
import secrets
import stat
from pathlib import Path

from vidi.errors import UsageError
from vidi.files import escape_path

BYTES = 32  # of chance in a token that is made here
SHORTEST = 16  # signs; fewer can be guessed over a network
FORM = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, section 2.1


class TokenLock:
    """What a token is compared with. The token itself is not kept."""

    def __init__(self, token: str) -> None:
        self._key = secrets.token_bytes(32)
        self._digest = self._digest_of(token.encode())

    def opens(self, token: bytes) -> bool:
        """Whether a token is the right one. The time it takes does not depend on how much of it is right."""
        return hmac.compare_digest(self._digest_of(token), self._digest)

    def _digest_of(self, token: bytes) -> bytes:
        return hmac.digest(self._key, token, "sha256")


def make_token() -> str:
    """A new token of 43 signs."""
    return secrets.token_urlsafe(BYTES)


def check_token(token: str, source: str) -> str:
    """The token, where it can be sent in a header and is long enough.

    Args:
        token: as it was read.
        source: where it was read, for the error.

    Raises:
        UsageError: it is too short or has other signs.
    """
    remedy = f"Use {SHORTEST} or more letters, digits and `-._~+/`, or leave it out to have one made."
    if not FORM.fullmatch(token):
        raise UsageError(f"{source}: the access token is empty or has signs that no header may hold.", remedy)
    if len(token) < SHORTEST:
        raise UsageError(f"{source}: the access token has only {len(token)} signs.", remedy)
    return token


def read_token(path: Path) -> str:
    """The token of a file, its first line without spaces around it.

    Raises:
        UsageError: the file cannot be read, or holds no token.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{escape_path(path)}: the access token cannot be read: {error}.",
            "Give a text file that holds the token alone.",
        ) from error
    return check_token(text.strip(), escape_path(path))


def write_token(path: Path, token: str) -> None:
    """Write a token to a new file that its owner alone may read.

    Raises:
        UsageError: the file cannot be written, or is there already.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(token + "\n")
    except OSError as error:
        raise UsageError(
            f"{escape_path(path)}: the access token cannot be written: {error.strerror}.",
            "Name a file in a folder that you may write to.",
        ) from error


def is_read_by_others(path: Path) -> bool:
    """Whether other users of the machine may read a file. Always False on Windows, which keeps no such bits."""
    return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
