"""What the options of a server mean together."""

from pathlib import Path

import pytest

from vidi.errors import UsageError
from vidi.serving.auth.access import AccessOptions, choose_rules

ALL = "0.0.0.0"  # noqa: S104 - as a user says it
PEM = Path("c.pem")


@pytest.mark.parametrize(
    ("options", "environment", "token", "encryption"),
    [
        (AccessOptions(), {}, "none", "none"),
        (AccessOptions(host="localhost"), {}, "none", "none"),
        (AccessOptions(host="::1"), {"VIDI_TOKEN": ""}, "none", "none"),
        (AccessOptions(), {"VIDI_TOKEN": "x"}, "environment", "none"),
        (AccessOptions(token_file=PEM), {"VIDI_TOKEN": "x"}, "file", "none"),
        (AccessOptions(certificate=PEM), {}, "none", "given"),
        (AccessOptions(host=ALL), {}, "made", "own"),
        (AccessOptions(host="::"), {}, "made", "own"),
        (AccessOptions(host="192.168.1.5"), {"VIDI_TOKEN": "x"}, "environment", "own"),
        (AccessOptions(host=ALL, certificate=PEM, key=PEM), {}, "made", "given"),
        (AccessOptions(host=ALL, behind_proxy=True), {}, "made", "proxy"),
        (AccessOptions(behind_proxy=True), {}, "made", "proxy"),
    ],
)
def test_a_server_that_others_reach_has_a_token_and_encryption(options, environment, token, encryption):
    rules = choose_rules(options, environment)

    assert (rules.token, rules.encryption) == (token, encryption)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (AccessOptions(key=PEM), "`--key` is given without `--certificate`"),
        (AccessOptions(behind_proxy=True, certificate=PEM), "contradict each other"),
        (AccessOptions(port=65_536), "`--port` is 65536"),
        (AccessOptions(host="http://a"), "`--host` is 'http://a'"),
        (AccessOptions(allow_host=["a:80"]), "`--allow-host` is 'a:80'"),
        (AccessOptions(allow_host=["*"]), "`--allow-host` is '\\*'"),
        (AccessOptions(allow_origin="*"), "`--allow-origin` is '\\*'"),
        (AccessOptions(allow_origin="null"), "`--allow-origin` is 'null'"),
        (AccessOptions(allow_origin="https://a/"), "`--allow-origin` is 'https://a/'"),
        (AccessOptions(allow_origin="a.example"), "`--allow-origin` is 'a.example'"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        choose_rules(options, {})


def test_the_hosts_are_the_loopback_the_bound_address_and_those_allowed():
    rules = choose_rules(AccessOptions(host="192.168.1.5", allow_host=["Shop.example", "[2001:DB8::1]"]), {})

    assert rules.hosts == {"localhost", "127.0.0.1", "::1", "192.168.1.5", "shop.example", "2001:db8::1"}
