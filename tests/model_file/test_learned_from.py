"""The filter of digests: what it learned from it always knows, others almost never, in two bytes an image."""

import base64
import hashlib

import pytest

from tests.counts import count
from tests.model_file.tiny import tiny_metadata, with_provenance
from vidi.errors import ModelError
from vidi.model_file.learned_from import MOST_BYTES, DigestFilter, with_files
from vidi.model_file.schema import metadata_from_text, metadata_to_text
from vidi.model_file.values import as_plain, read_part


def digests(first: int, images: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(first, first + images)]


@pytest.mark.parametrize("images", [1, 2, 7, 60, 1_000])
def test_a_filter_knows_every_file_that_was_put_into_it(images):
    read = read_part(DigestFilter, as_plain(DigestFilter.of(digests(0, images))))

    holds = read.asker()

    assert all(map(holds, digests(0, images)))


def test_at_most_one_in_a_thousand_other_files_seems_known():
    asked = count(small=30_000, faults=300_000, soak=3_000_000)
    holds = DigestFilter.of(digests(0, 2_000)).asker()

    mistaken = sum(map(holds, digests(10_000, asked)))

    assert mistaken <= asked / 1_000 + 3 * (asked / 1_000) ** 0.5


@pytest.mark.parametrize("images", [2, 60, 1_000, 20_000])
def test_a_filter_takes_at_most_two_bytes_an_image_in_the_file(images):
    entry = as_plain(DigestFilter.of(digests(0, images)))

    assert len(entry["digests"]) <= 2 * images + 2  # base64 fills up to four signs


@pytest.mark.slow  # over half a second of processor time: 560,000 digests
def test_a_filter_over_one_megabyte_is_left_out_rather_than_cut():
    assert MOST_BYTES > 11.6 * 500_000 / 8
    assert DigestFilter.of(f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" for number in range(560_000)) is None


def test_order_and_repeats_do_not_change_the_filter():
    files = digests(0, 50)

    assert DigestFilter.of(files) == DigestFilter.of([*reversed(files), *files])


@pytest.mark.parametrize("text", ["", "not a digest", "zz" * 32])
def test_what_is_no_digest_is_not_in_it(text):
    assert not DigestFilter.of(digests(0, 5)).asker()(text)


def test_the_key_is_optional_in_the_metadata():
    plain = tiny_metadata()
    known = with_provenance(plain, learned_from=(DigestFilter.of(digests(0, 9)),))

    assert '"learned_from"' not in metadata_to_text(plain)
    assert metadata_from_text(metadata_to_text(plain)).provenance.learned_from is None
    assert metadata_from_text(metadata_to_text(known)) == known


@pytest.mark.parametrize(
    "entry",
    [
        {"images": 0, "digests": "AAAA"},
        {"images": 10**9, "digests": "AAAA"},
        {"images": 2, "digests": "no base64!"},
        {"images": "2", "digests": "AAAA"},
        {"images": 2},
    ],
)
def test_a_damaged_filter_is_refused_when_it_is_read(entry):
    with pytest.raises(ModelError):
        read_part(DigestFilter, entry)


def test_a_filter_with_too_few_ends_is_refused_when_it_is_asked():
    with pytest.raises(ModelError, match="damaged"):
        DigestFilter(image_count=2, coded=base64.b64decode("AAAA")).asker()


def test_files_that_a_filter_lacks_get_one_of_their_own():
    first = (DigestFilter.of(digests(0, 20)),)

    more = with_files(first, digests(15, 10))

    assert more[0] == first[0]
    assert 1 <= more[1].image_count <= 5
    assert all(any(one.asker()(digest) for one in more) for digest in digests(0, 25))
    assert with_files(first, digests(3, 5)) == first
    assert with_files(None, digests(0, 5)) is None
