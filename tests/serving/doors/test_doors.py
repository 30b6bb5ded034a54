"""What the options of a server mean together."""

from pathlib import Path

import pytest

from vidi.errors import UsageError
from vidi.serving.doors.doors import DoorOptions, choose_doors

ALL = "0.0.0.0"  # noqa: S104 - as a user says it
PEM = Path("c.pem")


@pytest.mark.parametrize(
    ("options", "environment", "token", "encryption"),
    [
        (DoorOptions(), {}, "none", "none"),
        (DoorOptions(host="localhost"), {}, "none", "none"),
        (DoorOptions(host="::1"), {"VIDI_TOKEN": ""}, "none", "none"),
        (DoorOptions(), {"VIDI_TOKEN": "x"}, "environment", "none"),
        (DoorOptions(token_file=PEM), {"VIDI_TOKEN": "x"}, "file", "none"),
        (DoorOptions(certificate=PEM), {}, "none", "given"),
        (DoorOptions(host=ALL), {}, "made", "own"),
        (DoorOptions(host="::"), {}, "made", "own"),
        (DoorOptions(host="192.168.1.5"), {"VIDI_TOKEN": "x"}, "environment", "own"),
        (DoorOptions(host=ALL, certificate=PEM, key=PEM), {}, "made", "given"),
        (DoorOptions(host=ALL, behind_proxy=True), {}, "made", "proxy"),
        (DoorOptions(behind_proxy=True), {}, "made", "proxy"),
    ],
)
def test_a_server_that_others_reach_has_a_token_and_encryption(options, environment, token, encryption):
    doors = choose_doors(options, environment)

    assert (doors.token, doors.encryption) == (token, encryption)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (DoorOptions(key=PEM), "`--key` is given without `--certificate`"),
        (DoorOptions(behind_proxy=True, certificate=PEM), "contradict each other"),
        (DoorOptions(port=65_536), "`--port` is 65536"),
        (DoorOptions(host="http://a"), "`--host` is 'http://a'"),
        (DoorOptions(allow_host=["a:80"]), "`--allow-host` is 'a:80'"),
        (DoorOptions(allow_host=["*"]), "`--allow-host` is '\\*'"),
        (DoorOptions(allow_origin="*"), "`--allow-origin` is '\\*'"),
        (DoorOptions(allow_origin="null"), "`--allow-origin` is 'null'"),
        (DoorOptions(allow_origin="https://a/"), "`--allow-origin` is 'https://a/'"),
        (DoorOptions(allow_origin="a.example"), "`--allow-origin` is 'a.example'"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        choose_doors(options, {})


def test_the_hosts_are_the_loopback_the_bound_address_and_those_allowed():
    doors = choose_doors(DoorOptions(host="192.168.1.5", allow_host=["Shop.example", "[2001:DB8::1]"]), {})

    assert doors.hosts == {"localhost", "127.0.0.1", "::1", "192.168.1.5", "shop.example", "2001:db8::1"}
