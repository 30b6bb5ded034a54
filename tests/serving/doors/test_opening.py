"""The doors are opened with what the user gave, or with what is made."""

from datetime import UTC, datetime

import pytest
from cryptography import x509

from vidi.errors import UsageError
from vidi.serving.doors.addresses import qr_code
from vidi.serving.doors.doors import DoorOptions, choose_doors
from vidi.serving.doors.opening import open_doors

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ALL = "0.0.0.0"  # noqa: S104 - as a user says it
SECRET = "a-token-of-some-length"  # noqa: S105 - opens nothing


def opened(options, environment):
    return open_doors(choose_doors(options, environment), environment, NOW, find_addresses=lambda: ["10.0.0.5"])


def names_of(path):
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(one.value) for one in names]


def test_a_server_for_this_machine_needs_nothing(tmp_path):
    doors = opened(DoorOptions(), {"XDG_CONFIG_HOME": str(tmp_path)})

    assert (doors.lock, doors.new_token, doors.own_certificate, doors.listen.certificate) == (None,) * 4
    assert list(tmp_path.iterdir()) == []


def test_a_server_for_the_network_gets_a_token_and_a_certificate(tmp_path):
    first, second = (opened(DoorOptions(host=ALL), {"XDG_CONFIG_HOME": str(tmp_path)}) for _ in range(2))

    assert first.lock.opens(first.new_token.encode())
    assert first.new_token not in repr(first)
    assert not first.lock.opens(second.new_token.encode())
    assert first.own_certificate.fingerprint == second.own_certificate.fingerprint
    assert "10.0.0.5" in names_of(first.own_certificate.path)
    assert first.listen.certificate == tmp_path / "vidi" / "serve.pem"


def test_a_token_that_was_given_is_never_shown(tmp_path):
    (tmp_path / "token").write_text(SECRET + "\n")
    (tmp_path / "token").chmod(0o600)
    of_file = opened(DoorOptions(token_file=tmp_path / "token"), {"VIDI_TOKEN": "another-token-of-some-length"})
    of_environment = opened(DoorOptions(), {"VIDI_TOKEN": SECRET})

    for doors in (of_file, of_environment):
        assert doors.lock.opens(SECRET.encode())
        assert doors.new_token is None
        assert doors.notes == ()
        assert SECRET not in repr(doors)


def test_a_token_file_that_is_not_there_is_written(tmp_path):
    doors = opened(DoorOptions(token_file=tmp_path / "token"), {})

    assert doors.lock.opens((tmp_path / "token").read_text().strip().encode())
    assert "only you may read the file" in doors.notes[0]


def test_a_token_of_the_environment_is_checked():
    with pytest.raises(UsageError, match="VIDI_TOKEN: the access token has only 5 signs"):
        opened(DoorOptions(), {"VIDI_TOKEN": "12345"})


def test_the_code_of_an_address_is_lines_of_one_width():
    lines = qr_code("https://192.168.1.5:8000/").splitlines()

    assert {len(line) for line in lines} == {29}
    assert set("".join(lines)) <= set("█▀▄ ")
