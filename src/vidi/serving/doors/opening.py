"""The doors are opened: the token is read or made, and the certificate is found."""

import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.files import escape_path
from vidi.serving.doors.addresses import address_to_open, addresses_of_machine, qr_code
from vidi.serving.doors.doors import TOKEN_VARIABLE, Doors
from vidi.serving.doors.hosts import EVERY_ADDRESS, LOOPBACK_NAMES
from vidi.serving.doors.tokens import TokenLock, check_token, is_read_by_others, make_token, read_token, write_token
from vidi.serving.protocol.listen import Listen, Listening

if TYPE_CHECKING:
    from vidi.serving.doors.certificate import OwnCertificate


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedDoors:
    """What a server needs of its doors, and what it says of them once."""

    doors: Doors
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
        if self.doors.behind_proxy:
            yield "It speaks plain HTTP: the proxy in front holds the certificate."
        if self.lock is None:
            yield "It answers only programs on this computer; --host opens it to the network."
        else:
            address = address_to_open(listening.scheme, listening.addresses, addresses_of_machine())
            yield f"open {address}\n{qr_code(address)}".rstrip()


def open_doors(
    doors: Doors,
    environment: Mapping[str, str],
    now: datetime.datetime,
    *,
    find_addresses: Callable[[], list[str]] = addresses_of_machine,
) -> OpenedDoors:
    """Read or make what the doors are opened with.

    Args:
        doors: chosen.
        environment: variables of the process.
        now: with a time zone.
        find_addresses: gives the addresses of the machine, for a server that listens on all of them.

    Raises:
        UsageError: the token or the certificate cannot be read or kept.
    """
    token, is_new, notes = _token(doors, environment)
    own = None
    if doors.encryption == "own":
        from vidi.serving.doors.certificate import own_certificate, settings_folder  # cryptography takes long

        own = own_certificate(settings_folder(environment), _names(doors, find_addresses), now)
    listen = Listen(
        host=doors.host,
        port=doors.port,
        certificate=own.path if own is not None else doors.certificate,
        key=doors.key,
    )
    return OpenedDoors(
        doors=doors,
        listen=listen,
        lock=None if token is None else TokenLock(token),
        new_token=token if is_new else None,
        own_certificate=own,
        notes=tuple(notes),
    )


def _token(doors: Doors, environment: Mapping[str, str]) -> tuple[str | None, bool, list[str]]:
    """The token, whether it is new, and what is to be said of it."""
    if doors.token == "none":  # noqa: S105 - a source
        return None, False, []
    if doors.token == "environment":  # noqa: S105 - a source
        return check_token(environment[TOKEN_VARIABLE], TOKEN_VARIABLE), False, []
    if doors.token_file is None:
        return make_token(), True, []
    return _token_of_file(doors.token_file)


def _token_of_file(path: Path) -> tuple[str, bool, list[str]]:
    if not path.exists():
        token = make_token()
        write_token(path, token)
        return token, True, [f"The access token was written to {escape_path(path)}; only you may read the file."]
    if is_read_by_others(path):
        # Not refused: containers mount their secrets so, and nobody else is there to read them.
        note = f"{escape_path(path)}: other users of this machine may read the access token (`chmod 600` ends that)."
        return read_token(path), False, [note]
    return read_token(path), False, []


def _names(doors: Doors, find_addresses: Callable[[], list[str]]) -> list[str]:
    """Names and addresses for the certificate."""
    bound = find_addresses() if doors.host in EVERY_ADDRESS else []
    return sorted({*bound, *doors.hosts, *LOOPBACK_NAMES})
