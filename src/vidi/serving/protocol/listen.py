"""Where a server listens: its sockets and its certificate."""

import errno
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vidi.errors import UsageError, VidiError
from vidi.files import escape_path

BACKLOG = 2_048  # connections that the system holds until they are accepted
NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # such as ::1 of `localhost` on a machine without IPv6
# Options of Linux that Python does not name: IP_MINTTL and IPV6_MINHOPCOUNT.
MINIMUM_HOPS = {socket.AF_INET: (socket.IPPROTO_IP, 21), socket.AF_INET6: (socket.IPPROTO_IPV6, 73)}
ALL_HOPS = 255  # packets begin with 64 or 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where a server is asked to listen."""

    host: str = "127.0.0.1"  # a name or an address; `0.0.0.0` and `::` are all addresses of the machine
    port: int = 8000  # 0: any that is free
    certificate: Path | None = None  # PEM, with its chain; None: plain HTTP
    key: Path | None = None  # PEM; None: it stands in the file of the certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where a server listens."""

    addresses: tuple[tuple[str, int], ...]  # address and port
    scheme: str  # http or https

    @property
    def urls(self) -> list[str]:
        """One address for each socket.

        >>> Listening(addresses=(("127.0.0.1", 80), ("::1", 80)), scheme="http").urls
        ['http://127.0.0.1:80', 'http://[::1]:80']
        """
        return [f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{port}" for host, port in self.addresses]


def open_sockets(listen: Listen) -> list[socket.socket]:
    """Listening sockets for every address of the host, all with the same port.

    Raises:
        UsageError: the address is not of this machine, or the port is taken or not allowed.
    """
    port, opened, refused = listen.port, list[socket.socket](), list[OSError]()
    try:
        for family, address in _addresses(listen):
            try:
                opened.append(_open_socket(family, address, port))
            except OSError as error:
                if error.errno not in NOT_HERE:
                    raise
                refused.append(error)
                continue
            port = opened[0].getsockname()[1]
        if not opened:
            raise refused[0]
    except OSError as error:
        for one in opened:
            one.close()
        raise _unusable(listen, error) from error
    return opened


def _addresses(listen: Listen) -> Iterator[tuple[socket.AddressFamily, str]]:
    found = socket.getaddrinfo(listen.host or None, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    seen = set()
    for family, _, _, _, address in found:
        if family in (socket.AF_INET, socket.AF_INET6) and (family, address[0]) not in seen:
            seen.add((family, address[0]))
            yield family, str(address[0])


def _open_socket(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    # asyncio switches Nagle's algorithm off only for sockets that name TCP; with it each answer takes 40 ms more.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # there it means a port whose last connections are still closing; on Windows, theft
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "::"))
        opened.bind((address, port))
        opened.listen(BACKLOG)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened


def stop_new_connections(listening: socket.socket) -> bool:
    """Have the system begin no new connection, while those that have begun come whole. Returns whether it does.

    Between the last `accept` and `close` the system may take another connection, which `close` then breaks. A socket
    that drops packets with fewer hops left than any has takes none: the client tries again, and is refused.
    """
    return _drop_packets(listening, below=ALL_HOPS)


def take_again(accepted: socket.socket) -> None:
    """Have a connection that came whole after `stop_new_connections`, and so inherited it, hear its client."""
    _drop_packets(accepted, below=0)


def _drop_packets(one: socket.socket, *, below: int) -> bool:
    if sys.platform != "linux":
        return False
    level, option = MINIMUM_HOPS[one.family]
    try:
        one.setsockopt(level, option, below)
    except OSError:  # a sandbox that does not know it: what is being connected may be lost
        return False
    return True


def _unusable(listen: Listen, error: OSError) -> VidiError:
    where = f"{listen.host}, port {listen.port}"
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"{where}: another program listens there.",
            f"Stop it, or use another port: `--port {listen.port + 1}`, or `--port 0` for any that is free.",
        )
    if error.errno == errno.EACCES:
        return UsageError(f"{where}: the system does not allow this port.", "Use one of 1024 or more.")
    reason = error.strerror or str(error)
    return UsageError(f"{where}: the server cannot listen there: {reason}.", "Use an address of this machine.")


def tls_context(listen: Listen) -> ssl.SSLContext | None:
    """The certificate and key of a server, ready to use; None for plain HTTP.

    Raises:
        UsageError: they cannot be read, or do not belong together.
    """
    if listen.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    names = " and ".join(escape_path(path) for path in (listen.certificate, listen.key) if path is not None)
    try:
        # Without a password of our own OpenSSL would ask for one on the terminal.
        context.load_cert_chain(listen.certificate, listen.key, password=lambda: "")
    except ssl.SSLError as error:
        is_other = error.reason == "KEY_VALUES_MISMATCH"
        reason = "the key belongs to another certificate" if is_other else "there is no usable certificate and key"
        remedy = "Give a certificate and its key in PEM, the key without a password."
        raise UsageError(f"{names}: {reason}.", remedy) from error
    except OSError as error:
        remedy = "Check the path, and that you may read the file."
        raise UsageError(f"{names}: cannot be read: {error.strerror}.", remedy) from error
    return context
