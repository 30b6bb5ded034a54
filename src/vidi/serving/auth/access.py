"""Who may ask a server: what its options mean together, and the token and certificate that follow from them."""

import datetime
import hmac
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vidi.errors import UsageError
from vidi.files import escape_path
from vidi.serving.auth.hosts import (
    EVERY_ADDRESS,
    LOOPBACK_NAMES,
    address_to_open,
    addresses_of_machine,
    is_loopback,
    qr_code,
    read_host,
    read_origin,
)
from vidi.serving.protocol.listen import Listen, Listening
from vidi.workflows.requests.in_use import ServeRequest

if TYPE_CHECKING:
    from vidi.serving.auth.certificate import OwnCertificate


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


def _check_token(token: str, source: str) -> str:
    """The token, where it can be sent in a header and is long enough; `source` is where it was read."""
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
    return _check_token(text.strip(), escape_path(path))


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


TOKEN_VARIABLE = "VIDI_TOKEN"  # noqa: S105 - the name of a variable

TokenSource = Literal["none", "file", "environment", "made"]
Encryption = Literal["none", "given", "own", "proxy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    """Who may come in, and how."""

    encryption: Encryption  # proxy: it stands in front, holds the certificate, and what it forwards is believed
    hosts: frozenset[str]  # names and addresses that are answered for, besides the one that a connection reached
    origin: str | None  # of the pages that may ask, besides the server's own
    token: TokenSource


def choose_rules(options: ServeRequest, environment: Mapping[str, str]) -> AccessRules:
    """What the options mean together.

    A server for this machine alone needs neither token nor certificate, and uses those that are given. Any other
    needs a token, and a certificate unless a proxy holds it. A token that no one gives is made.

    Args:
        environment: variables of the process; `VIDI_TOKEN` is a token.

    Raises:
        UsageError: options that contradict each other, or are not what they should be.

    >>> rules = choose_rules(ServeRequest(models=(), host="0.0.0.0"), {})
    >>> rules.token, rules.encryption
    ('made', 'own')
    """
    _refuse_contradictions(options)
    is_private = is_loopback(options.host) and not options.behind_proxy
    encryption: Encryption = "none" if is_private else "own"
    if options.behind_proxy:
        encryption = "proxy"
    elif options.certificate is not None:
        encryption = "given"
    bound = set() if options.host in EVERY_ADDRESS else {_host(options.host, "--host")}
    return AccessRules(
        encryption=encryption,
        hosts=LOOPBACK_NAMES | bound | {_host(name, "--allow-host") for name in options.allow_host},
        origin=None if options.allow_origin is None else _origin(options.allow_origin),
        token=_token_source(options, environment, "none" if is_private else "made"),
    )


def _token_source(options: ServeRequest, environment: Mapping[str, str], otherwise: TokenSource) -> TokenSource:
    if options.token_file is not None:
        return "file"
    return "environment" if environment.get(TOKEN_VARIABLE) else otherwise


def _refuse_contradictions(options: ServeRequest) -> None:
    if options.key is not None and options.certificate is None:
        raise UsageError("`--key` is given without `--certificate`.", "Give both, or neither.")
    if options.behind_proxy and options.certificate is not None:
        raise UsageError(
            "`--behind-proxy` and `--certificate` contradict each other: the proxy holds the certificate.",
            "Leave one of them out.",
        )
    if not 0 <= options.port < 65_536:
        raise UsageError(f"`--port` is {options.port}.", "Use a number from 1 to 65535, or 0 for any that is free.")


def _host(text: str, option: str) -> str:
    host = read_host(text.strip("[]") if text.startswith("[") else text)
    if host is None:
        remedy = "Use a name or an address, without scheme, port or path: `shop.example`."
        raise UsageError(f"`{option}` is {text!r}, which is no name of a host.", remedy)
    return host


def _origin(text: str) -> str:
    origin = read_origin(text)
    if origin is None:
        remedy = "Use scheme, name and port alone: `https://shop.example` or `http://localhost:3000`."
        raise UsageError(f"`--allow-origin` is {text!r}, which is not one origin.", remedy)
    return origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The access to a server: what it needs for that, and what it says of it once."""

    rules: AccessRules
    listen: Listen
    lock: TokenLock | None  # None: no token is needed
    new_token: str | None = field(repr=False)  # made now, and to be shown; None where the user knows it
    own_certificate: "OwnCertificate | None"
    notes: tuple[str, ...]  # sentences for the user

    def lines(self, listening: Listening) -> Iterator[str]:
        """Who is answered, and what they need."""
        yield from self.notes
        if self.new_token is not None:
            yield f"access token, shown only now: {self.new_token}"
        if self.own_certificate is not None:
            yield f"certificate of its own making, SHA-256 fingerprint: {self.own_certificate.fingerprint}"
        if self.rules.encryption == "proxy":
            yield "It speaks plain HTTP: the proxy in front holds the certificate."
        if self.lock is None:
            yield "It answers only programs on this computer; --host opens it to the network."
        else:
            address = address_to_open(listening.scheme, listening.addresses, addresses_of_machine())
            yield f"open {address}\n{qr_code(address)}".rstrip()


def open_access(
    options: ServeRequest,
    environment: Mapping[str, str],
    now: datetime.datetime,
    *,
    find_addresses: Callable[[], list[str]] = addresses_of_machine,
) -> Access:
    """Read or make the token and the certificate that the options ask for.

    Args:
        find_addresses: gives the addresses of the machine, for a server that listens on all of them.

    Raises:
        UsageError: options that contradict each other, or the token or the certificate cannot be read or kept.
    """
    rules = choose_rules(options, environment)
    token, is_new, notes = _token(rules.token, options.token_file, environment)
    own = None
    if rules.encryption == "own":
        from vidi.serving.auth.certificate import own_certificate, settings_folder  # cryptography takes long

        bound = find_addresses() if options.host in EVERY_ADDRESS else []
        own = own_certificate(settings_folder(environment), sorted({*bound, *rules.hosts}), now)
    listen = Listen(
        host=options.host,
        port=options.port,
        certificate=own.path if own is not None else options.certificate,
        key=options.key,
    )
    return Access(
        rules=rules,
        listen=listen,
        lock=None if token is None else TokenLock(token),
        new_token=token if is_new else None,
        own_certificate=own,
        notes=tuple(notes),
    )


def _token(
    source: TokenSource, path: Path | None, environment: Mapping[str, str]
) -> tuple[str | None, bool, list[str]]:
    """The token, whether it is new, and what is to be said of it."""
    if source == "none":
        return None, False, []
    if source == "environment":
        return _check_token(environment[TOKEN_VARIABLE], TOKEN_VARIABLE), False, []
    if path is None:
        return make_token(), True, []
    if not path.exists():
        token = make_token()
        write_token(path, token)
        return token, True, [f"The access token was written to {escape_path(path)}; only you may read the file."]
    if is_read_by_others(path):
        # Not refused: containers mount their secrets so, and nobody else is there to read them.
        note = f"{escape_path(path)}: other users of this machine may read the access token (`chmod 600` ends that)."
        return read_token(path), False, [note]
    return read_token(path), False, []
