"""`vidi export`: a model file in another form."""

import contextlib
import gzip
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.errors import UsageError
from vidi.export.model_document import MODEL_FILE
from vidi.export.page_files import FOR_GPU
from vidi.export.to_folder import RUNNER_NAME, write_folder
from vidi.export.to_web import write_web
from vidi.files import escape_path, writing_error
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.values import Json
from vidi.prediction.words import warning_about
from vidi.report.cards import exported_card
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.run_folder import safe_name
from vidi.workflows.requests.model_file import PRECISIONS, ExportRequest, Form

if TYPE_CHECKING:
    from vidi.workflows.exporting.judged import CompressedModel

FIGURES = "export.json"  # of a lighter file
REPORT = "export.md"  # in every exported folder; by it an earlier one is known

Write = Callable[[Path, ModelFile, str], None]
CHECKS: Mapping[Form, str] = {
    "web": "The page replays the golden vectors of the model when it opens, and warns where the answers differ.",
    **dict.fromkeys(("folder", *PRECISIONS), "The model file is whole: golden.json holds images with its answers."),
}
USES: Mapping[Form, str] = {
    "web": "Copy the folder to any static host. To look at it here: python -m http.server --directory {folder}",
    "folder": f"Try it: python {{folder}}/{RUNNER_NAME} IMAGE",
    **dict.fromkeys(PRECISIONS, "Use it: vidi predict {folder} IMAGE"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """What was written."""

    folder: Path
    form: Form
    model: ModelFile
    name: str
    file_bytes: Mapping[str, int]  # size of each file, by its path in the folder
    beside_model_bytes: int  # of all but the model file and what WebGPU needs, compressed one by one by gzip
    lighter: "CompressedModel | None" = None  # of a form with fewer bits

    @property
    def sentences(self) -> tuple[str, ...]:
        """The result in lines for people."""
        size = sum(self.file_bytes.values())
        warning = warning_about(self.model)
        return (
            f"{self.form}: {escape_path(self.folder)}, {len(self.file_bytes)} files, {size:,} bytes; "
            f"{self.beside_model_bytes:,} bytes beside the model, compressed",
            *(self.lighter.sentences if self.lighter else ()),
            CHECKS[self.form],
            *([] if warning is None else [warning]),
            USES[self.form].format(folder=escape_path(self.folder)),
        )

    def as_json(self) -> dict[str, Json]:
        """The result as plain values."""
        return {
            "schema": 1,
            "folder": escape_path(self.folder),
            "form": self.form,
            "model": {"name": self.name, "id": self.model.model_id, "digest": self.model.digest},
            "files": dict(self.file_bytes),
            "beside_model_bytes": self.beside_model_bytes,
            **({} if self.lighter is None else {"lighter": self.lighter.as_json()}),
        }


def _write_folder(folder: Path, model: ModelFile, name: str) -> None:
    write_folder(folder, model, card=exported_card(model, name=name, runner=RUNNER_NAME))


WRITERS: Mapping[Form, Write] = {
    "web": lambda folder, model, name: write_web(folder, [(name, model)]),
    **dict.fromkeys(("folder", *PRECISIONS), _write_folder),
}


def export(request: ExportRequest, *, events: Events = SILENCE) -> ExportResult:
    """Write a model file in another form.

    A form with fewer bits is calibrated again, and held to the test images beside the file that it is made of.

    Raises:
        UsageError: the output exists, an option is wrong.
        ModelError: no model file.
        GateError: a lighter file is not as good; nothing is written.
        ResourceError: the folder cannot be written.
    """
    require_sound(request)
    require_free(request.output, overwrite=request.overwrite)
    model = read_model(request.model)
    name = safe_name(model.metadata.provenance.run or model.path.stem)
    with _appearing(request.output) as staged:
        lighter = _compressed(request, model, staged, events) if request.to in PRECISIONS else None
        model = model if lighter is None else lighter.model
        WRITERS[request.to](staged, model, name)
        sizes = {path.relative_to(staged).as_posix(): path.stat().st_size for path in _files(staged)}
        done = ExportResult(
            folder=request.output,
            form=request.to,
            model=model,
            name=name,
            file_bytes=sizes,
            beside_model_bytes=_beside_model(staged),
            lighter=lighter,
        )
        (staged / REPORT).write_text(_report(done), encoding="utf-8")
    return done


def _compressed(request: ExportRequest, model: ModelFile, folder: Path, events: Events) -> "CompressedModel":
    """The model in fewer bits; what was measured stands in the folder, with the parent's index of neighbours."""
    from vidi.workflows.export_compressed import NEIGHBOURS, compress_model  # loads what other forms do not need

    made = compress_model(model, request, folder=folder, kept_as=request.output / MODEL_FILE, events=events)
    (folder / FIGURES).write_text(json.dumps(made.as_json(), indent=1) + "\n", encoding="utf-8")
    neighbours = model.path.parent / NEIGHBOURS
    if neighbours.is_dir() and request.images:
        shutil.copytree(neighbours, folder / NEIGHBOURS)
    return made


def require_sound(request: ExportRequest) -> None:
    """Refuse options that the form does not have, and a share of points that is none.

    Raises:
        UsageError: as said.
    """
    if request.to not in PRECISIONS and request.data is not None:
        forms = " or ".join(f"--to {form}" for form in PRECISIONS)
        raise UsageError(f"--data is not used by --to {request.to}", f"Leave it out, or use {forms}.")
    if not 0 <= request.max_drop <= 100:
        raise UsageError(f"--max-drop is {request.max_drop}", "Use percentage points between 0 and 100, such as 0.5.")


def require_free(output: Path, *, overwrite: bool) -> None:
    """Refuse an output that may not be written, before any work; nothing is changed.

    Raises:
        UsageError: it is a file, or holds what may not be replaced.
    """
    if not os.path.lexists(output):
        return
    if not output.is_dir():
        raise UsageError(f"{escape_path(output)} is a file", "Name a folder that does not exist yet with --output.")
    if not any(output.iterdir()):
        return
    if not overwrite:
        raise UsageError(
            f"{escape_path(output)} exists already", "Choose another --output, or replace it with --overwrite."
        )
    if not (output / REPORT).is_file():
        raise UsageError(
            f"{escape_path(output)} holds files that `vidi export` did not write",
            "Nothing was deleted. Choose another --output.",
        )


@contextlib.contextmanager
def _appearing(output: Path) -> Iterator[Path]:
    """A folder beside the output that takes its place, whole, when the block ends well."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".vidi-", dir=output.parent) as place:
            staged = Path(place) / "new"
            staged.mkdir()
            yield staged
            _take_place(staged, output, old=Path(place) / "old")
    except OSError as error:
        raise writing_error(error, output) from error


def _take_place(staged: Path, output: Path, *, old: Path) -> None:
    """Give a folder another's place; what stood there comes back where that fails."""
    had = output.exists()
    if had:
        output.rename(old)
    try:
        staged.rename(output)
    except OSError:
        if had:
            old.rename(output)
        raise


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _beside_model(folder: Path) -> int:
    """What a host sends beside the model file to a browser without WebGPU, each file compressed as hosts do."""
    packed = partial(gzip.compress, compresslevel=6)
    sent = (path for path in _files(folder) if path.name != MODEL_FILE and not FOR_GPU.search(path.name))
    return sum(len(packed(path.read_bytes())) for path in sent)


def _report(done: ExportResult) -> str:
    """The text of `export.md`."""
    lines = (
        f"# Export of {done.name}",
        f"- form: {done.form}, written by `vidi export --to {done.form}`",
        f"- model id {done.model.model_id}, digest `{done.model.digest}`",
        *(f"- {sentence}" for sentence in (done.lighter.sentences if done.lighter else ())),
        f"- {CHECKS[done.form]}",
        f"- {len(done.file_bytes)} files, {sum(done.file_bytes.values()):,} bytes; {done.beside_model_bytes:,} bytes "
        "beside the model, compressed",
        *(f"- {warning}" for warning in [warning_about(done.model)] if warning),
    )
    return "\n".join(lines) + "\n"
