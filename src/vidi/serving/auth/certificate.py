"""A certificate of the server's own making. It is kept, so that its fingerprint stays the same between starts."""

import datetime
import ipaddress
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vidi.errors import ResourceError, UsageError
from vidi.files import escape_path, written_atomically

FILE = "serve.pem"  # certificate and key in one file, so that they always belong together
DAYS = 397  # browsers refuse certificates that are valid for more than 398
RENEW_DAYS = 30  # before the end
MOST_NAMES = 64  # that a renewed certificate takes over from the one before


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """A certificate of the server's own making."""

    path: Path  # PEM, with its key
    fingerprint: str  # SHA-256, as browsers show it


def settings_folder(environment: Mapping[str, str]) -> Path:
    """The user's folder for what is set once: `$XDG_CONFIG_HOME/vidi`, else `~/.config/vidi`."""
    return Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "vidi"


def own_certificate(folder: Path, names: Sequence[str], now: datetime.datetime) -> OwnCertificate:
    """The kept certificate, or a new one where it is missing, soon over, or without one of the names.

    Args:
        names: names and addresses of the server. A new certificate holds those of the old one, too.

    Raises:
        UsageError: it cannot be kept there.
    """
    path = folder / FILE
    kept = _read(path)
    if kept is not None and _serves(kept, names, now):
        return OwnCertificate(path, fingerprint_of(kept))
    before = [] if kept is None else sorted(_names_of(kept))
    made, pem = _make([*names, *(name for name in before if name not in names)][:MOST_NAMES], now)
    try:
        with written_atomically(path) as temporary:
            temporary.chmod(0o600)  # before the key stands in it
            temporary.write_bytes(pem)
    except ResourceError as error:
        raise UsageError(
            f"{escape_path(path)}: the server's own certificate cannot be kept there.",
            "Set XDG_CONFIG_HOME to a folder that you may write to, or use `--certificate` or `--behind-proxy`.",
        ) from error
    return OwnCertificate(path, fingerprint_of(made))


def fingerprint_of(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, in pairs of hex digits."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _read(path: Path) -> x509.Certificate | None:
    """The kept certificate; None where there is none, or not a whole one that only its owner may read."""
    try:
        data = path.read_bytes()
        certificate = x509.load_pem_x509_certificate(data)
        key = load_pem_private_key(data, password=None).public_key()
        is_private = os.name != "posix" or path.stat().st_mode & 0o077 == 0
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return certificate if is_private and key == certificate.public_key() else None


def _serves(certificate: x509.Certificate, names: Sequence[str], now: datetime.datetime) -> bool:
    is_in_time = certificate.not_valid_before_utc <= now
    lasts = now + datetime.timedelta(days=RENEW_DAYS) < certificate.not_valid_after_utc
    return is_in_time and lasts and set(names) <= _names_of(certificate)


def _names_of(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def _make(names: Iterable[str], now: datetime.datetime) -> tuple[x509.Certificate, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vidi serve")])
    begin = now - datetime.timedelta(hours=1)  # clocks of clients differ
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate, certificate.public_bytes(Encoding.PEM) + secret


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
