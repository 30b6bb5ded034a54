"""What the options of a server mean together."""

from pathlib import Path

import pytest

from tests.serving.asked import asked_to_serve
from vidi.errors import UsageError
from vidi.serving.auth.access import choose_rules

ALL = "0.0.0.0"  # noqa: S104 - as a user says it
PEM = Path("c.pem")


@pytest.mark.parametrize(
    ("options", "environment", "token", "encryption"),
    [
        (asked_to_serve(), {}, "none", "none"),
        (asked_to_serve(host="localhost"), {}, "none", "none"),
        (asked_to_serve(host="::1"), {"VIDI_TOKEN": ""}, "none", "none"),
        (asked_to_serve(), {"VIDI_TOKEN": "x"}, "environment", "none"),
        (asked_to_serve(token_file=PEM), {"VIDI_TOKEN": "x"}, "file", "none"),
        (asked_to_serve(certificate=PEM), {}, "none", "given"),
        (asked_to_serve(host=ALL), {}, "made", "own"),
        (asked_to_serve(host="::"), {}, "made", "own"),
        (asked_to_serve(host="192.168.1.5"), {"VIDI_TOKEN": "x"}, "environment", "own"),
        (asked_to_serve(host=ALL, certificate=PEM, key=PEM), {}, "made", "given"),
        (asked_to_serve(host=ALL, behind_proxy=True), {}, "made", "proxy"),
        (asked_to_serve(behind_proxy=True), {}, "made", "proxy"),
    ],
)
def test_a_server_that_others_reach_has_a_token_and_encryption(options, environment, token, encryption):
    rules = choose_rules(options, environment)

    assert (rules.token, rules.encryption) == (token, encryption)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (asked_to_serve(key=PEM), "`--key` is given without `--certificate`"),
        (asked_to_serve(behind_proxy=True, certificate=PEM), "contradict each other"),
        (asked_to_serve(port=65_536), "`--port` is 65536"),
        (asked_to_serve(host="http://a"), "`--host` is 'http://a'"),
        (asked_to_serve(allow_host=["a:80"]), "`--allow-host` is 'a:80'"),
        (asked_to_serve(allow_host=["*"]), "`--allow-host` is '\\*'"),
        (asked_to_serve(allow_origin="*"), "`--allow-origin` is '\\*'"),
        (asked_to_serve(allow_origin="null"), "`--allow-origin` is 'null'"),
        (asked_to_serve(allow_origin="https://a/"), "`--allow-origin` is 'https://a/'"),
        (asked_to_serve(allow_origin="a.example"), "`--allow-origin` is 'a.example'"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        choose_rules(options, {})


def test_the_hosts_are_the_loopback_the_bound_address_and_those_allowed():
    rules = choose_rules(asked_to_serve(host="192.168.1.5", allow_host=["Shop.example", "[2001:DB8::1]"]), {})

    assert rules.hosts == {"localhost", "127.0.0.1", "::1", "192.168.1.5", "shop.example", "2001:db8::1"}
