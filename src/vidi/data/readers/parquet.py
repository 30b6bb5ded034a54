"""Records of Parquet tables, by pyarrow: only columns of plain values, a few thousand rows at a time."""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO

from vidi.errors import DataError, from_extra
from vidi.files import escape_path

if TYPE_CHECKING:
    from pyarrow import DataType

_TOGETHER = 4096  # rows


def read_records(
    stream: BinaryIO, name: str, *, path_names: Collection[str]
) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Each row's number, counted from 1, and its values by column; columns of pictures and the like are left out.

    Args:
        stream: of the file's bytes; it must be able to seek.
        name: of the file, for messages.
        path_names: columns that can name an image's file; without one, a table of pictures is refused.

    Raises:
        MissingPackageError: pyarrow is not installed.
        DataError: the file is damaged, or its images are inside the table.
    """
    with from_extra(f"{escape_path(name)}: reading Parquet needs pyarrow", extra="tables"):
        from pyarrow import ArrowException, parquet
    try:
        with parquet.ParquetFile(stream) as file:
            schema = file.schema_arrow
            plain = [field.name for field in schema if _is_plain(field.type)]
            _refuse_pictures(name, [field.name for field in schema if _holds_bytes(field.type)], plain, path_names)
            number = 0
            for batch in file.iter_batches(batch_size=_TOGETHER, columns=plain):
                for record in batch.to_pylist():
                    number += 1
                    yield number, record
    except (ArrowException, OSError) as error:
        raise DataError(
            f"{escape_path(name)} is not a Parquet file that can be read: {str(error).splitlines()[0][:200]}",
            "Copy it again from its source, or write it again.",
        ) from error


def _is_plain(kind: "DataType") -> bool:
    """Whether a column holds texts, numbers or lists of them."""
    from pyarrow import types

    if types.is_dictionary(kind) or types.is_list(kind) or types.is_large_list(kind):
        return _is_plain(kind.value_type)
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return bool(is_text or types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _holds_bytes(kind: "DataType") -> bool:
    """Whether a column holds files in place of their names, as Hugging Face stores images."""
    from pyarrow import types

    if types.is_struct(kind):
        return any(_holds_bytes(kind.field(index).type) for index in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _refuse_pictures(name: str, pictures: list[str], plain: list[str], path_names: Collection[str]) -> None:
    words = {word.strip().casefold().replace(" ", "_") for word in plain}
    if pictures and not words & set(path_names):
        raise DataError(
            f"{escape_path(name)} holds the images themselves, in the column {pictures[0]!r}",
            "Write them into a folder, with a table that names them: a Hugging Face data set becomes one in "
            "docs/how-to/hugging-face.md.",
        )
