"""The readers, in the order in which a source is tried; the first that knows its kind reads it."""

from collections.abc import Mapping

from vidi.data.class_folders import read_class_folders
from vidi.data.coco import read_coco
from vidi.data.records import read_records
from vidi.data.source import Reader
from vidi.data.tables import read_metadata, read_tables
from vidi.data.voc import read_voc
from vidi.data.yolo import read_yolo
from vidi.errors import UnknownNameError

READERS: Mapping[str, Reader] = {
    "records": read_records,
    "hugging-face": read_metadata,
    "yolo": read_yolo,
    "coco": read_coco,
    "voc": read_voc,
    "tables": read_tables,
    "class-folders": read_class_folders,
}


def find_reader(name: str) -> Reader:
    """The reader of that name.

    Raises:
        UnknownNameError: there is none.
    """
    try:
        return READERS[name]
    except KeyError:
        raise UnknownNameError(f"no reader is called {name!r}", f"Use one of: {', '.join(READERS)}.") from None
