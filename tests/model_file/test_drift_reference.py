"""The drift reference comes back from the file as it went in, and what cannot be one is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.model_file.tiny import tiny_metadata, tiny_network
from vidi.errors import ModelError
from vidi.model_file.drift_reference import (
    DriftReference,
    Histogram,
    MostNovelImages,
    QuantisedRows,
    ReferenceEmbeddings,
    ReferenceImages,
    SummedPlaces,
    SummedScores,
)
from vidi.model_file.read import read_model
from vidi.model_file.schema import metadata_from_json, metadata_to_json
from vidi.model_file.values import as_plain, canonical_json, parse_json, read_part
from vidi.model_file.write import write_model

SUMMED = ("images", "embeddings", "summed")
TWO_ROWS = {"columns": 4, "bits": 8, "steps": [1.0, 1.0], "data": "AAAAAAAAAAA="}


def summed() -> SummedPlaces:
    scores = SummedScores(image_count=25, means=(0.1, -0.2), squares=(0.9, 1.1), weights=(1.2, 0.8))
    return SummedPlaces(
        middle=(0.3, 0.0),
        spread=(1.5, 0.7),
        shift=scores,
        width=replace(scores, means=(0.7, 0.8)),
        strangest=MostNovelImages(limit=7.5, scores=replace(scores, image_count=5)),
    )


def reference() -> DriftReference:
    random = np.random.default_rng(0)
    embeddings = ReferenceEmbeddings(
        mean=QuantisedRows.of(random.normal(size=(1, 4)), bits=16),
        axes=QuantisedRows.of(random.normal(size=(2, 4)), bits=8),
        places=QuantisedRows.of(random.normal(size=(2, 7)), bits=16),
        summed=summed(),
    )
    return DriftReference(
        basis="out-of-fold",
        answer_count=30,
        group_count=28,
        classes=(10, 0, 20),
        verdicts={"sure": 20, "unsure": 9, "unknown": 1},
        confidence=Histogram.of(random.random(30)),
        images=ReferenceImages(
            part="validation",
            image_count=25,
            group_count=24,
            qualities={"brightness": Histogram.of(random.random(25) * 255)},
            embeddings=embeddings,
        ),
        novelty=Histogram.of_tail(random.random(30)),
    )


def test_it_comes_back_from_the_file(tmp_path: Path):
    path = tmp_path / "model.onnx"

    write_model(path, tiny_network(), replace(tiny_metadata(), drift_reference=reference()))

    assert read_model(path).metadata.drift_reference == reference()


@pytest.mark.parametrize("images", [None, replace(reference().images, embeddings=None)])
def test_it_may_lack_images_or_embeddings(images: ReferenceImages | None):
    lacking = replace(reference(), images=images)

    assert read_part(DriftReference, parse_json(canonical_json(as_plain(lacking)))) == lacking


def test_an_older_file_has_neither_novelty_nor_sums():
    document: Any = parse_json(canonical_json(as_plain(reference())))
    del document["novelty"], document["images"]["embeddings"]["summed"]

    older = read_part(DriftReference, document)

    assert older.novelty is None
    assert older.images.embeddings == replace(reference().images.embeddings, summed=None)
    assert parse_json(canonical_json(as_plain(older))) == document


def test_sums_may_say_nothing_of_the_strangest():
    images = reference().images
    embeddings = replace(images.embeddings, summed=replace(summed(), strangest=None))
    silent = replace(reference(), images=replace(images, embeddings=embeddings))

    assert read_part(DriftReference, parse_json(canonical_json(as_plain(silent)))) == silent


def test_a_file_of_an_older_vidi_has_none():
    document = metadata_to_json(tiny_metadata())

    assert document["drift_reference"] is None
    assert metadata_from_json(document).drift_reference is None


@pytest.mark.parametrize("bits", [8, 16])
def test_a_number_is_wrong_by_half_a_step_at_most(bits: int):
    values = np.random.default_rng(1).normal(size=(5, 300)) * [[1], [100], [0.001], [0], [7]]

    coded = QuantisedRows.of(values, bits=bits)

    steps = np.array(coded.steps)[:, None]
    assert (np.abs(coded.values() - values) <= 0.5001 * steps).all()
    assert len(coded.coded) == values.size * bits // 8


def test_every_value_lies_in_a_bin_and_bins_hold_about_as_many():
    values = np.random.default_rng(2).normal(size=1_000)

    histogram = Histogram.of(values)

    assert (len(histogram.counts), sum(histogram.counts)) == (50, 1_000)
    assert max(histogram.counts) - min(histogram.counts) <= 2
    assert histogram.edges[0] == values.min()
    assert histogram.edges[-1] > values.max()
    assert len(Histogram.of(values[:20]).counts) == 5
    assert Histogram.of(np.array([1.0, 1.0, 2.0] * 20)).counts == (40, 20)


def test_it_is_about_the_models_own_classes():
    with pytest.raises(ModelError, match="the drift reference is about 2 classes"):
        replace(tiny_metadata(), drift_reference=replace(reference(), classes=(10, 20)))


def test_sums_have_as_many_components_as_there_are_axes():
    embeddings = reference().images.embeddings

    with pytest.raises(ModelError, match="do not fit one another"):
        replace(
            embeddings,
            axes=QuantisedRows.of(np.ones((3, 4)), bits=8),
            places=QuantisedRows.of(np.ones((3, 7)), bits=16),
        )


def _set(*names: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for name in names[:-1]:
            document = document[name]
        document[names[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("basis", value="guess"), "basis should be calibration or out-of-fold"),
        (_set("images", "part", value="train"), "part should be calibration or validation"),
        (_set("answers", value=-1), "a count below zero"),
        (_set("classes", value=[1, 2.5, 3]), "classes should be a list of whole numbers"),
        (_set("verdicts", value={"sure": 1}), "has no unsure"),
        (_set("confidence", value={"edges": [0, 1, 1], "counts": [1, 2]}), "its edges do not rise"),
        (_set("confidence", value={"edges": [0, 1], "counts": [1, 2]}), "2 edges and 2 counts"),
        (_set("confidence", value={"edges": [], "counts": []}), "0 edges and 0 counts"),
        (_set("confidence", value={"edges": [0, 1], "counts": [-1]}), "a histogram has"),
        (_set("images", "embeddings", "axes", "data", value="!"), "data should be base64"),
        (_set("images", "embeddings", "axes", "columns", value=5), "2 rows of 5 numbers of 8 bits have 8 bytes"),
        (_set("images", "embeddings", "axes", "columns", value=-4), "2 rows of -4 numbers"),
        (_set("images", "embeddings", "axes", "bits", value=7), "numbers of 7 bits"),
        (
            _set("images", "embeddings", "mean", value=as_plain(reference())["images"]["embeddings"]["axes"]),
            "do not fit",
        ),
        (_set("novelty", value={"edges": [0, 1], "counts": [1, 2]}), "2 edges and 2 counts"),
        (_set(*SUMMED, "middle", value=[0.0]), "sums do not fit"),
        (_set(*SUMMED, "spread", value=[1.0, 0.0]), "sums do not fit"),
        (_set(*SUMMED, "shift", "images", value=0), "sums do not fit"),
        (_set(*SUMMED, "shift", "squares", value=[1.0]), "sums do not fit"),
        (_set(*SUMMED, "width", "weights", value=[]), "sums do not fit"),
        (_set(*SUMMED, "strangest", "means", value=[1.0, 2.0, 3.0]), "sums do not fit"),
        (_set(*SUMMED, "strangest", "limit", value="high"), "limit should be a finite number"),
    ],
)
def test_what_is_no_reference_is_refused(change: Callable[[dict[str, Any]], None], said: str):
    document: Any = parse_json(canonical_json(as_plain(reference())))
    change(document)

    with pytest.raises(ModelError, match=said):
        read_part(DriftReference, document)
