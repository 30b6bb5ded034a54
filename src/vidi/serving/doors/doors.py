"""The choice of doors: what the options of a server mean together. Nothing is opened or read here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vidi.errors import UsageError
from vidi.serving.doors.hosts import EVERY_ADDRESS, LOOPBACK_NAMES, is_loopback, read_host, read_origin

TOKEN_VARIABLE = "VIDI_TOKEN"  # noqa: S105 - the name of a variable

TokenSource = Literal["none", "file", "environment", "made"]
Encryption = Literal["none", "given", "own", "proxy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOptions:
    """What the user says about who may come in."""

    host: str = "127.0.0.1"
    port: int = 8000
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False
    allow_host: Sequence[str] = ()
    allow_origin: str | None = None
    token_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Who may come in, and how."""

    host: str
    port: int
    encryption: Encryption  # proxy: it stands in front and holds the certificate
    certificate: Path | None
    key: Path | None
    hosts: frozenset[str]  # names and addresses that are answered for, besides the one that a connection reached
    origin: str | None  # of the pages that may ask, besides the server's own
    token: TokenSource
    token_file: Path | None

    @property
    def behind_proxy(self) -> bool:
        """Whether a proxy stands in front, and what it forwards is believed."""
        return self.encryption == "proxy"


def choose_doors(options: DoorOptions, environment: Mapping[str, str]) -> Doors:
    """What the options mean together.

    A server for this machine alone needs neither token nor certificate, and uses those that are given. Any other
    needs a token, and a certificate unless a proxy holds it. A token that no one gives is made.

    Args:
        options: what the user says.
        environment: variables of the process; `VIDI_TOKEN` is a token.

    Raises:
        UsageError: options that contradict each other, or are not what they should be.

    >>> doors = choose_doors(DoorOptions(host="0.0.0.0"), {})
    >>> doors.token, doors.encryption
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
    return Doors(
        host=options.host,
        port=options.port,
        encryption=encryption,
        certificate=options.certificate,
        key=options.key,
        hosts=LOOPBACK_NAMES | bound | {_host(name, "--allow-host") for name in options.allow_host},
        origin=None if options.allow_origin is None else _origin(options.allow_origin),
        token=_token_source(options, environment, "none" if is_private else "made"),
        token_file=options.token_file,
    )


def _token_source(options: DoorOptions, environment: Mapping[str, str], otherwise: TokenSource) -> TokenSource:
    if options.token_file is not None:
        return "file"
    return "environment" if environment.get(TOKEN_VARIABLE) else otherwise


def _refuse_contradictions(options: DoorOptions) -> None:
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
