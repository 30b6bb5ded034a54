"""Boxes as lines, as one JSON document and as a COCO file."""

import json
from collections.abc import Iterable, Sequence
from typing import TextIO

from vidi.files import escape_path
from vidi.images.account import Account
from vidi.model_file.read import ModelFile
from vidi.numbers import percent
from vidi.workflows.interaction.output import SCHEMA_VERSION, model_as_json
from vidi.workflows.locating.search import LocatedImage


def write_lines(found: Iterable[LocatedImage], stream: TextIO) -> None:
    """Write the number of boxes of each image, and each box on its own line."""
    for one in found:
        if one.error is not None:
            stream.write(f"{escape_path(one.path)}  refused: {one.error.code}. {escape_path(one.error.sentence)}\n")
            continue
        stream.write(f"{escape_path(one.path)}  {_counted(len(one.boxes))}\n")
        for box in one.boxes:
            corners = " ".join(f"{value:.0f}" for value in box.box)
            stream.write(f"  {escape_path(box.label)} {percent(box.score, digits=1)}  {corners}\n")


def _counted(count: int) -> str:
    return "nothing found" if not count else "1 box" if count == 1 else f"{count} boxes"


def as_json(one: LocatedImage) -> dict[str, object]:
    """One image's boxes as they stand in JSON; `box` is x_min, y_min, x_max, y_max in pixels of the upright image."""
    error = None if one.error is None else {"code": one.error.code, "message": one.error.sentence}
    boxes = [
        {
            "label": box.label,
            "score": round(box.score, 6),
            "box": [round(value, 2) for value in box.box],
            "novelty": None if box.novelty is None else round(box.novelty, 4),
        }
        for box in one.boxes
    ]
    size = None if one.size is None else list(one.size)
    return {"path": escape_path(one.path), "size": size, "boxes": boxes, "error": error}


def write_json(found: Iterable[LocatedImage], stream: TextIO, *, model: ModelFile, account: Account) -> None:
    """One JSON document: schema, model, images, account; images are written as they come."""
    stream.write(f'{{"schema": {SCHEMA_VERSION}, "model": {json.dumps(model_as_json(model))}, "images": [')
    separator = "\n"
    for one in found:
        stream.write(separator + json.dumps(as_json(one), allow_nan=False))
        separator = ",\n"
    stream.write(f'\n], "account": {json.dumps(account.as_json())}}}\n')


def coco_document(found: Sequence[LocatedImage], classes: Sequence[str]) -> dict[str, object]:
    """A COCO file of the boxes, their scores beside them; categories are numbered from 1 in the model's order."""
    used = [one for one in found if one.size is not None]
    annotations = [
        {
            "image_id": number,
            "category_id": box.label_index + 1,
            "bbox": [round(value, 2) for value in (x_min, y_min, x_max - x_min, y_max - y_min)],
            "area": round((x_max - x_min) * (y_max - y_min), 2),
            "score": round(box.score, 6),
            "iscrowd": 0,
        }
        for number, one in enumerate(used, start=1)
        for box in one.boxes
        for x_min, y_min, x_max, y_max in [box.box]
    ]
    return {
        "images": [
            {"id": number, "file_name": escape_path(one.path), "height": one.size[0], "width": one.size[1]}
            for number, one in enumerate(used, start=1)
            if one.size is not None
        ],
        "categories": [{"id": index + 1, "name": name} for index, name in enumerate(classes)],
        "annotations": [{"id": number, **row} for number, row in enumerate(annotations, start=1)],
    }
