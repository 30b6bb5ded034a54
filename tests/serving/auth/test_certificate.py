"""The server's own certificate is kept, renewed in time, and private."""

import os
import ssl
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from vidi.errors import UsageError
from vidi.serving.auth.certificate import own_certificate
from vidi.serving.protocol.listen import Listen, tls_context

NOW = datetime(2026, 5, 1, tzinfo=UTC)
NAMES = ["127.0.0.1", "::1", "localhost", "shop.example"]


def test_a_certificate_holds_every_name_and_is_accepted_by_browsers(tmp_path):
    made = own_certificate(tmp_path, NAMES, NOW)

    certificate = x509.load_pem_x509_certificate(made.path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "shop.example"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc <= timedelta(days=398)
    assert len(made.fingerprint) == 95
    assert tls_context(Listen(certificate=made.path)) is not None
    if os.name == "posix":
        assert stat.S_IMODE(made.path.stat().st_mode) == 0o600


def test_the_fingerprint_stays_the_same_until_shortly_before_the_end(tmp_path):
    made = own_certificate(tmp_path, NAMES, NOW)
    kept = own_certificate(tmp_path, NAMES[:2], NOW + timedelta(days=360))
    renewed = own_certificate(tmp_path, NAMES, NOW + timedelta(days=370))

    assert made.fingerprint == kept.fingerprint != renewed.fingerprint


def test_a_new_name_makes_a_new_certificate_that_holds_the_old_names_too(tmp_path):
    own_certificate(tmp_path, ["10.0.0.1"], NOW)
    second = own_certificate(tmp_path, ["10.0.0.2"], NOW)

    assert own_certificate(tmp_path, ["10.0.0.1", "10.0.0.2"], NOW) == second


@pytest.mark.parametrize("corrupt", ["cut", "not a certificate", "of another key", "open to others"])
def test_a_certificate_that_is_spoilt_is_made_again(tmp_path, corrupt):
    first = own_certificate(tmp_path, NAMES, NOW)
    path = first.path
    data, mark = path.read_bytes(), b"-----BEGIN PRIVATE KEY"
    if corrupt == "open to others":
        path.chmod(0o644)
    else:
        other = own_certificate(tmp_path / "other", NAMES, NOW).path.read_bytes()
        mixed = data.partition(mark)[0] + mark + other.partition(mark)[2]
        path.write_bytes({"cut": data[:300], "not a certificate": b"x", "of another key": mixed}[corrupt])

    again = own_certificate(tmp_path, NAMES, NOW)

    assert (again != first) == (os.name == "posix" or corrupt != "open to others")
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(again.path)


def test_a_folder_that_cannot_be_written_to_is_named_with_the_ways_out(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(
        UsageError, match=r"serve.pem: the server's own certificate cannot be kept .*\n.*--behind-proxy"
    ):
        own_certificate(tmp_path / "file", NAMES, NOW)
