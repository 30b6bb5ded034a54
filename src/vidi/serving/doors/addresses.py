"""Under which addresses others reach this machine, and an address as a picture for a phone's camera."""

import contextlib
import io
import socket
from collections.abc import Sequence

from vidi.serving.doors.hosts import EVERY_ADDRESS, Place, origin_of

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
        scheme: http or https.
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
