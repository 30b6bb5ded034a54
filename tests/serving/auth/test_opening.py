"""Access is opened with what the user gave, or with what is made."""

from datetime import UTC, datetime

import pytest
from cryptography import x509

from tests.serving.asked import asked_to_serve
from vidi.errors import UsageError
from vidi.serving.auth.access import open_access
from vidi.serving.auth.hosts import qr_code

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ALL = "0.0.0.0"  # noqa: S104 - as a user says it
SECRET = "a-token-of-some-length"  # noqa: S105 - opens nothing


def opened(options, environment):
    return open_access(options, environment, NOW, find_addresses=lambda: ["10.0.0.5"])


def names_of(path):
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(one.value) for one in names]


def test_a_server_for_this_machine_needs_nothing(tmp_path):
    access = opened(asked_to_serve(), {"XDG_CONFIG_HOME": str(tmp_path)})

    assert (access.lock, access.new_token, access.own_certificate, access.listen.certificate) == (None,) * 4
    assert list(tmp_path.iterdir()) == []


def test_a_server_for_the_network_gets_a_token_and_a_certificate(tmp_path):
    first, second = (opened(asked_to_serve(host=ALL), {"XDG_CONFIG_HOME": str(tmp_path)}) for _ in range(2))

    assert first.lock.opens(first.new_token.encode())
    assert first.new_token not in repr(first)
    assert not first.lock.opens(second.new_token.encode())
    assert first.own_certificate.fingerprint == second.own_certificate.fingerprint
    assert "10.0.0.5" in names_of(first.own_certificate.path)
    assert first.listen.certificate == tmp_path / "vidi" / "serve.pem"


def test_a_token_that_was_given_is_never_shown(tmp_path):
    (tmp_path / "token").write_text(SECRET + "\n")
    (tmp_path / "token").chmod(0o600)
    of_file = opened(asked_to_serve(token_file=tmp_path / "token"), {"VIDI_TOKEN": "another-token-of-some-length"})
    of_environment = opened(asked_to_serve(), {"VIDI_TOKEN": SECRET})

    for access in (of_file, of_environment):
        assert access.lock.opens(SECRET.encode())
        assert access.new_token is None
        assert access.notes == ()
        assert SECRET not in repr(access)


def test_a_token_file_that_is_not_there_is_written(tmp_path):
    access = opened(asked_to_serve(token_file=tmp_path / "token"), {})

    assert access.lock.opens((tmp_path / "token").read_text().strip().encode())
    assert "only you may read the file" in access.notes[0]


def test_a_token_of_the_environment_is_checked():
    with pytest.raises(UsageError, match="VIDI_TOKEN: the access token has only 5 signs"):
        opened(asked_to_serve(), {"VIDI_TOKEN": "12345"})


def test_the_code_of_an_address_is_lines_of_one_width():
    lines = qr_code("https://192.168.1.5:8000/").splitlines()

    assert {len(line) for line in lines} == {29}
    assert set("".join(lines)) <= set("█▀▄ ")
