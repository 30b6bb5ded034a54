"""What the page's bench says of figures that were measured."""

from bench import page


def figures(*, rate: float = 20.0, first: float = 1.0, server_first: float = 1.5, size: int = 3_700_000):
    return {
        "bytes_beside_the_model": size,
        "self_test_passed": True,
        "host of files": {"answers_a_processor_second": rate, "soonest_first_answer_seconds": first},
        "vidi serve": {"answers_a_processor_second": rate, "soonest_first_answer_seconds": server_first},
    }


def missed(compact: dict, lite0: dict) -> list[str]:
    return [name for name, gate in page.gates({"compact": compact, "lite0": lite0}).items() if not gate["met"]]


def test_every_bar_that_is_missed_is_named():
    assert missed(figures(), figures()) == []
    assert missed(figures(rate=9.9), figures(rate=4.0)) == ["compact: answers a processor second"]
    assert missed(figures(first=3.1), figures(server_first=3.1)) == [
        "compact: first answer, host of files, seconds",
        "lite0: first answer, vidi serve, seconds",
    ]
    assert missed(figures(size=4_000_001), figures()) == ["compressed bytes beside the model"]
    assert missed({**figures(), "self_test_passed": False}, figures()) == ["compact: self-test"]
