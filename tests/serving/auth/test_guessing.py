"""Whoever guesses tokens or paths learns nothing."""

import gc
import posixpath
import random
import statistics
import time
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.counts import count
from vidi.serving.auth.access import TokenLock, make_token
from vidi.serving.auth.middleware import is_plain_path


def welch_t(first: list[float], second: list[float]) -> float:
    """How far two means are apart, in standard errors."""
    spread = statistics.variance(first) / len(first) + statistics.variance(second) / len(second)
    return (statistics.mean(first) - statistics.mean(second)) / spread**0.5


def test_two_means_that_differ_by_a_tenth_of_their_spread_are_told_apart():
    chance = random.Random(0)
    first, second = ([chance.gauss(mean, 1) for _ in range(10_000)] for mean in (0, 0.1))

    assert abs(welch_t(first, second)) > 4.5
    assert abs(welch_t(first[::2], first[1::2])) < 4.5


@pytest.mark.fault
def test_the_time_of_a_comparison_does_not_tell_how_much_of_a_guess_is_right():
    # What comes from the guesses is there each time, and with the same sign; what the machine makes is not.
    found = [welch_t(*times_of(token, TokenLock(token).opens, seed)) for seed, token in enumerate(some_tokens(5))]
    assert min(found) < 4.5
    assert max(found) > -4.5


@pytest.mark.fault
def test_a_comparison_that_ends_at_the_first_wrong_sign_is_found_out():
    found = [welch_t(*times_of(token, sign_by_sign(token), seed)) for seed, token in enumerate(some_tokens(5))]
    assert max(found) < -4.5


def some_tokens(number: int) -> list[str]:
    return [make_token() for _ in range(number)]


def sign_by_sign(token: str) -> Callable[[bytes], bool]:
    """What must not be: a comparison that ends at the first wrong sign."""
    right = token.encode()
    return lambda guess: all(sign == other for sign, other in zip(guess, right, strict=True))


def times_of(token: str, opens: Callable[[bytes], bool], seed: int) -> list[list[float]]:
    """Nanoseconds of the comparisons with guesses of which nothing, and of which all but the last sign is right."""
    chance = random.Random(seed)
    wrong = ("-" if token[0] != "-" else "_") + token[1:]
    # Each guess is an object of its own, as in requests, and the loop does not know which kind it times.
    kinds = [chance.random() < 0.5 for _ in range(count(small=4_000, faults=10_000, soak=100_000))]
    guesses = [bytes(bytearray((token[:-1] + "!" if kind else wrong).encode())) for kind in kinds]
    times: list[float] = []
    gc.disable()
    try:
        for guess in guesses:
            begin = time.perf_counter_ns()
            opened = opens(guess)
            times.append(time.perf_counter_ns() - begin)
            assert not opened
    finally:
        gc.enable()
    # The slowest tenth is when the system did something else (Reparaz and others 2017, dudect, section 2).
    limit = sorted(times)[len(times) * 9 // 10]
    kept = [(kind, one) for kind, one in zip(kinds, times, strict=True) if one <= limit]
    return [[one for kind, one in kept if kind is wanted] for wanted in (False, True)]


SEGMENTS = st.sampled_from(
    ["a", "v1", ".", "..", "%2e", "%2E%2e", "%2f", "%5c", "\\", "%00", "", "%252e", "é", "%c3%a9", "%"]
)


@given(st.lists(SEGMENTS, min_size=1, max_size=6), st.booleans())
def test_a_plain_path_stays_the_same_when_it_is_decoded_and_normalised(segments, ends):
    path = "/" + "/".join(segments) + ("/" if ends else "")

    if is_plain_path(path.encode()):
        decoded = unquote(path)
        assert unquote(decoded) == decoded
        assert posixpath.normpath(decoded) == (decoded.rstrip("/") or "/")
        assert not set("\\\x00") & set(decoded)


@pytest.mark.parametrize(
    "path", ["/", "/v1/predict", "/v2/models/flowers-1.0/versions/2/infer", "/v1/models/", "/caf%C3%A9"]
)
def test_usual_paths_are_plain(path):
    assert is_plain_path(path.encode())
