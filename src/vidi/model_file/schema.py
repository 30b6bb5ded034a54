"""The metadata as canonical JSON, both ways, and the keys that common viewers show."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from vidi.errors import ModelError
from vidi.images.framing import Framing
from vidi.model_file.golden_vector import GoldenTolerance, GoldenVector
from vidi.model_file.learnt_from import filters_from_json, filters_to_json
from vidi.model_file.limits import Refuted, limits_from_json, limits_to_json
from vidi.model_file.metadata import Calibration, ModelMetadata, Normalisation, Provenance
from vidi.model_file.operating_points import OperatingPoints
from vidi.model_file.values import (
    Json,
    Kind,
    as_plain,
    canonical_json,
    entry,
    integer_entry,
    list_entry,
    numbers_entry,
    object_entry,
    object_or_none,
    parse_json,
    read_part,
    size_entry,
    text_entry,
    text_or_none,
    texts_entry,
    wrong_value,
)

if TYPE_CHECKING:
    from vidi.model_file.drift_reference import DriftReference

SCHEMA_VERSION = 1
MULTI_LABEL = "multi-label"  # the task of a model whose images may show several classes
_MODES: Mapping[str, Literal["stretch", "pad", "crop"]] = {"stretch": "stretch", "pad": "pad", "crop": "crop"}
MAXIMUM_METADATA_BYTES = 4 << 20  # the design's limit; a file that says more about itself is refused


def viewer_keys(metadata: ModelMetadata) -> dict[str, str]:
    """The keys that common viewers show beside the graph."""
    texts = {
        "names": str(dict(enumerate(metadata.classes))),
        "imgsz": str(list(metadata.framing.size)),
        "task": _task(metadata),
        "author": metadata.provenance.author,
        "date": metadata.provenance.date,
        "version": metadata.provenance.run,
        "license": metadata.provenance.license,
        "description": metadata.provenance.description,
    }
    # A folder's name may hold bytes that are no UTF-8; protobuf texts may not.
    return {key: text.encode("utf-8", "backslashreplace").decode() for key, text in texts.items()}


def metadata_to_text(metadata: ModelMetadata) -> str:
    """The canonical JSON that stands under the key `vidi` of a model file.

    Raises:
        ModelError: it is longer than 4 MB.
    """
    text = canonical_json(metadata_to_json(metadata))
    if len(text.encode()) > MAXIMUM_METADATA_BYTES:
        raise ModelError(
            f"the metadata takes {len(text.encode()):,} bytes",
            f"At most {MAXIMUM_METADATA_BYTES:,} are allowed; shorten the recipe or the drift reference.",
        )
    return text


def metadata_from_text(text: str) -> ModelMetadata:
    """Read the metadata of a model file back.

    Raises:
        ModelError: it is not JSON, has another schema, or a value is missing or of the wrong kind.
    """
    document = object_entry({"metadata": parse_json(text)}, "metadata")
    schema = integer_entry(document, "schema")
    if schema != SCHEMA_VERSION:
        raise ModelError(
            f"the metadata has schema {schema}; this vidi reads schema {SCHEMA_VERSION}",
            "Install a newer vidi to use this file.",
        )
    return metadata_from_json(document)


def metadata_to_json(metadata: ModelMetadata) -> dict[str, Json]:
    """The metadata as plain values, for the file and for `vidi inspect --json`."""
    return {
        "schema": SCHEMA_VERSION,
        "task": _task(metadata),
        "classes": list(metadata.classes),
        "framing": _framing_to_json(metadata.framing),
        "normalisation": {
            "mean": [float(value) for value in metadata.normalisation.mean],
            "standard_deviation": [float(value) for value in metadata.normalisation.standard_deviation],
        },
        "calibration": None if metadata.calibration is None else _calibration_to_json(metadata.calibration),
        "golden": as_plain(metadata.golden),
        "golden_tolerance": as_plain(metadata.golden_tolerance),
        "network": metadata.provenance.network,
        "run": metadata.provenance.run,
        "date": metadata.provenance.date,
        "author": metadata.provenance.author,
        "description": metadata.provenance.description,
        "license": metadata.provenance.license,
        "weights_license": metadata.provenance.weights_license,
        "weights_digest": metadata.weights_digest,
        "unfinished": metadata.unfinished,
        "test": metadata.test,
        "verdict": None if metadata.verdict is None else limits_to_json(metadata.verdict),
        "operating_points": as_plain(metadata.operating_points),
        "data": metadata.provenance.data,
        "recipe": metadata.provenance.recipe,
        "library_versions": metadata.provenance.library_versions,
        "drift_reference": as_plain(metadata.drift_reference),
        **({} if metadata.refuted is None else {"refuted": as_plain(metadata.refuted)}),
        **(
            {}
            if metadata.provenance.learnt_from is None
            else {"learnt_from": filters_to_json(metadata.provenance.learnt_from)}
        ),
        **({} if metadata.provenance.derived_from is None else {"derived_from": metadata.provenance.derived_from}),
    }


def metadata_from_json(document: Mapping[str, Json]) -> ModelMetadata:
    """What `metadata_to_json` wrote, checked.

    Raises:
        ModelError: a value is missing, of the wrong kind, or at odds with the others.
    """
    normalisation = object_entry(document, "normalisation")
    return ModelMetadata(
        classes=texts_entry(document, "classes"),
        framing=_framing_from_json(object_entry(document, "framing")),
        multi_label=_of_several(text_entry(document, "task")),
        normalisation=Normalisation(
            mean=_three(normalisation, "mean"), standard_deviation=_three(normalisation, "standard_deviation")
        ),
        calibration=_calibration_from_json(object_or_none(document, "calibration")),
        golden=tuple(read_part(GoldenVector, value) for value in list_entry(document, "golden")),
        golden_tolerance=read_part(GoldenTolerance, document["golden_tolerance"])
        if "golden_tolerance" in document
        else GoldenTolerance(),
        provenance=Provenance(
            network=text_entry(document, "network"),
            run=text_entry(document, "run"),
            date=text_entry(document, "date"),
            author=text_entry(document, "author"),
            description=text_entry(document, "description"),
            license=text_entry(document, "license"),
            weights_license=text_or_none(document, "weights_license"),
            data=object_or_none(document, "data"),
            recipe=object_or_none(document, "recipe"),
            library_versions=object_or_none(document, "library_versions"),
            learnt_from=filters_from_json(list_entry(document, "learnt_from")) if "learnt_from" in document else None,
            derived_from=text_entry(document, "derived_from") if "derived_from" in document else None,
        ),
        weights_digest=text_entry(document, "weights_digest"),
        unfinished=text_or_none(document, "unfinished"),
        test=object_or_none(document, "test"),
        verdict=limits_from_json(object_or_none(document, "verdict")),
        operating_points=_part_or_none(OperatingPoints, document, "operating_points"),
        drift_reference=_reference_from_json(object_or_none(document, "drift_reference")),
        refuted=read_part(Refuted, document["refuted"]) if "refuted" in document else None,
    )


def _task(metadata: ModelMetadata) -> str:
    return metadata.outputs.task


def _part_or_none(kind: type[Kind], document: Mapping[str, Json], name: str) -> Kind | None:
    value = entry(document, name)
    return None if value is None else read_part(kind, value)


def _of_several(task: str) -> bool:
    if task not in ("classify", MULTI_LABEL):
        raise ModelError(
            f"the model's task is {task!r}", "This vidi knows classify and multi-label; install a newer one."
        )
    return task == MULTI_LABEL


def _framing_to_json(framing: Framing) -> dict[str, Json]:
    return {
        "size": list(framing.size),
        "mode": framing.mode,
        "shrink_to": None if framing.shrink_to is None else list(framing.shrink_to),
    }


def _framing_from_json(document: Mapping[str, Json]) -> Framing:
    mode = text_entry(document, "mode")
    if mode not in _MODES:
        raise wrong_value("framing mode", "stretch, pad or crop", mode)
    shrink_to = None if entry(document, "shrink_to") is None else size_entry(document, "shrink_to")
    return Framing(size=size_entry(document, "size"), mode=_MODES[mode], shrink_to=shrink_to)


def _calibration_to_json(calibration: Calibration) -> dict[str, Json]:
    return {
        "method": calibration.method,
        "scale": [float(value) for value in calibration.scale],
        "shift": [float(value) for value in calibration.shift],
        "image_count": calibration.image_count,
        "figures": calibration.figures,
    }


def _calibration_from_json(document: Mapping[str, Json] | None) -> Calibration | None:
    if document is None:
        return None
    return Calibration(
        method=text_entry(document, "method"),
        scale=numbers_entry(document, "scale"),
        shift=numbers_entry(document, "shift"),
        image_count=integer_entry(document, "image_count"),
        figures=object_entry(document, "figures"),
    )


def _reference_from_json(document: Mapping[str, Json] | None) -> "DriftReference | None":
    if document is None:
        return None
    from vidi.model_file.drift_reference import DriftReference

    return read_part(DriftReference, document)


def _three(document: Mapping[str, Json], name: str) -> tuple[float, float, float]:
    numbers = numbers_entry(document, name)
    if len(numbers) != 3:
        raise wrong_value(name, "three numbers", list(numbers))
    return numbers[0], numbers[1], numbers[2]
