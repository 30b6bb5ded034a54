"""The run folder behind a registered name."""

from pathlib import Path

from vidi.errors import UsageError
from vidi.files import escape_path, unescape_path
from vidi.registry.registered import RegisteredModel
from vidi.workflows.interaction.run_folder import REQUEST


def run_of(registered: RegisteredModel, *, remedy: str) -> Path:
    """The run folder that the model in use came from.

    Args:
        registered: a name, with its decisions.
        remedy: what to do where the folder is gone, in a sentence.

    Raises:
        UsageError: the folder is no run any more.
    """
    folder = Path(unescape_path(registered.current.origin))
    if not (folder / REQUEST).is_file():
        raise UsageError(f"{registered.name} came from {escape_path(folder)}, which is no run folder any more", remedy)
    return folder
