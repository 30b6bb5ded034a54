"""The readers, in the order in which a source is tried; the first that knows its kind reads it."""

from collections.abc import Mapping

from vidi.data.readers.class_folders import read_class_folders
from vidi.data.readers.coco import read_coco
from vidi.data.readers.records import read_records
from vidi.data.readers.source import Reader
from vidi.data.readers.tables import read_metadata, read_tables
from vidi.data.readers.voc import read_voc
from vidi.data.readers.yolo import read_yolo

READERS: Mapping[str, Reader] = {
    "records": read_records,
    "hugging-face": read_metadata,
    "yolo": read_yolo,
    "coco": read_coco,
    "voc": read_voc,
    "tables": read_tables,
    "class-folders": read_class_folders,
}
