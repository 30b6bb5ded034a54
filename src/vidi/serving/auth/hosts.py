"""Hosts and origins as browsers and proxies write them, and the addresses under which others reach this machine."""

import contextlib
import io
import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
EVERY_ADDRESS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - what is compared with
PORTS = {"http": 80, "https": 443}
NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?")


@dataclass(frozen=True, slots=True)
class Place:
    """A host, and the port that is named with it."""

    host: str  # name in lower case or address in its short form, without brackets
    port: int | None = None


def read_place(text: str) -> Place | None:
    """What a Host header names; None where it is no host.

    >>> read_place("Localhost:8000")
    Place(host='localhost', port=8000)
    >>> read_place("[::1]")
    Place(host='::1', port=None)
    >>> read_place("a b") is None
    True
    """
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:@/\\?#]+)(?::([0-9]{1,5}))?", text, re.ASCII)
    if found is None:
        return None
    host = read_host(found[1].strip("[]"))
    port = int(found[2]) if found[2] else None
    return Place(host, port) if host and (port is None or 0 < port < 65_536) else None


def read_host(text: str) -> str | None:
    """A name or an address in the one form in which they are compared; None where it is neither.

    >>> read_host("0:0::1"), read_host("Example.COM."), read_host("a/b")
    ('::1', 'example.com', None)
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        name = text.lower()
        return name.removesuffix(".") if len(name) <= 253 and NAME.fullmatch(name) else None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def is_loopback(host: str) -> bool:
    """Whether a name or address is reached from this machine alone.

    >>> is_loopback("127.0.0.9"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    found = read_host(host)
    if found is None:
        return False
    try:
        return ipaddress.ip_address(found).is_loopback
    except ValueError:
        return found == "localhost"


def read_origin(text: str) -> str | None:
    """An origin in the form in which browsers send it; None where it is none (`null`, `*`, one with a path).

    >>> read_origin("https://Shop.example:443"), read_origin("null"), read_origin("http://a/b")
    ('https://shop.example', None, None)
    """
    try:
        parts = urlsplit(text)
        place = read_place(parts.netloc)
    except ValueError:
        return None
    if parts.scheme not in PORTS or place is None or text.lower() != f"{parts.scheme}://{parts.netloc}".lower():
        return None
    return origin_of(parts.scheme, place)


def origin_of(scheme: str, place: Place) -> str:
    """The origin of a server that is reached by a scheme at a place.

    >>> origin_of("http", Place("::1", 8000))
    'http://[::1]:8000'
    """
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"{scheme}://{host}" + ("" if place.port in (None, PORTS[scheme]) else f":{place.port}")


# Addresses of documentation (RFC 5737, RFC 3849), to which the system would send through the interface that leads
# outside. A datagram socket that is connected sends nothing.
OUTSIDE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def addresses_of_machine() -> list[str]:
    """The addresses under which other machines reach this one, IPv4 first. No packet is sent."""
    found = []
    for family, outside in OUTSIDE:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((outside, 9))
            found.append(str(probe.getsockname()[0]))
    return found


def address_to_open(scheme: str, bound: Sequence[tuple[str, int]], own: Sequence[str]) -> str:
    """The address that a user types or a phone reads.

    Args:
        bound: address and port of each socket.
        own: addresses of the machine, for a server that listens on all of them.

    >>> address_to_open("https", [("0.0.0.0", 8000)], ["192.168.1.5"])
    'https://192.168.1.5:8000/'
    >>> address_to_open("http", [("127.0.0.1", 80)], [])
    'http://127.0.0.1/'
    """
    host, port = bound[0]
    if host in EVERY_ADDRESS:
        host = own[0] if own else "localhost"
    return origin_of(scheme, Place(host, port)) + "/"


def qr_code(text: str) -> str:
    """A QR code of a text, as lines of half blocks for a terminal with a dark background.

    The access token never stands in it: whoever photographs the screen would be let in, and addresses stay in the
    history of browsers.
    """
    import segno

    picture = io.StringIO()
    segno.make(text, error="m", micro=False).terminal(picture, compact=True, border=2)
    return picture.getvalue()
