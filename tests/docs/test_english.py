"""The pages read easily: short sentences, and the field's own words."""

import re
import statistics

from tests.docs.pages import ROOT

PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/how-to/*.md")})
LONGEST, USUAL = 35, 16  # words of a sentence; style guides of technical English ask for about the same
NOT_PROSE = re.compile(r"```.*?```|^[|#][^\n]*$|<!--.*?-->", re.S | re.M)
UNUSUAL = re.compile(r"\b(rightly|said aloud|learnt|so many of|dealt|wished|put away|counts? for nothing)\b")


def sentences(text: str) -> list[str]:
    found = re.split(r"(?<=[.!?:;])\s+", NOT_PROSE.sub(".", text))
    return [sentence for sentence in found if len(sentence.split()) > 1]


def test_no_sentence_is_longer_than_35_words_and_half_have_at_most_16():
    long, slow = [], []
    for page in PAGES:
        lengths = [(len(sentence.split()), sentence) for sentence in sentences(page.read_text("utf-8"))]
        long += [f"{page.name}: {sentence}" for length, sentence in lengths if length > LONGEST]
        slow += [page.name] if statistics.median(length for length, _ in lengths) > USUAL else []

    assert long == []
    assert slow == []


def test_the_pages_use_the_fields_words():
    pages = [page for page in PAGES if page.name != "CHANGELOG.md"]  # a record is not written anew
    texts = {page.name: re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S) for page in pages}
    found = [(name, match[0]) for name, text in texts.items() for match in UNUSUAL.finditer(text)]

    assert found == []
