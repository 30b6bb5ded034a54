"""`vidi compare`: which of two models is better?"""

from typing import TYPE_CHECKING, Annotated

import click

from vidi.cli import options
from vidi.errors import SOME_BAD
from vidi.options import Option, declared
from vidi.workflows.requests.model_file import CompareRequest, StoredRequest

if TYPE_CHECKING:
    from vidi.workflows.comparing.written import Compared


def compare(
    request: CompareRequest | None,
    stored: StoredRequest,
    *,
    gate: Annotated[bool, Option("Exit with code 7 unless B is shown to be better.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Test whether model B is better than model A, on labelled images that neither was trained on."""
    from vidi.cli.terminal import on_terminal
    from vidi.files import escape_path
    from vidi.report.words.text import account_lines
    from vidi.workflows.compare import compare as score
    from vidi.workflows.comparing.stored import compare_stored

    events = on_terminal()
    if request is None:
        _refuse_without_data()
        compared = compare_stored(stored, events=events)
    else:
        compared = score(request, events=events)
    if as_json:
        click.echo((compared.folder / "compare.json").read_text("utf-8"))
    else:
        _show(compared)
    for line in account_lines(compared.account, listed_in=f"{escape_path(compared.folder)}/compare.json"):
        events.say(line)
    if gate:
        compared.require_better()
    if compared.account.refused:
        raise SystemExit(SOME_BAD)


def _show(compared: "Compared") -> None:
    """The outcome in a sentence and a table."""
    from vidi.cli.screen import show_table
    from vidi.files import escape_path
    from vidi.report.pages.compare import compared_models, comparison_rows
    from vidi.workflows.comparing.written import PAGE, read_comparison

    document = read_comparison(compared.folder)
    click.echo(compared.sentence)
    click.echo("\n".join(compared_models(document)))
    show_table(comparison_rows(document), right=range(1, 5))
    click.echo(f"page: {escape_path(compared.folder)}/{PAGE}")


def _refuse_without_data() -> None:
    """Options that say how images are read mean nothing where none is."""
    from vidi.errors import UsageError

    allowed = {*(one.name for one in declared(StoredRequest)), "gate", "as_json"}
    for name, flag in options.given_flags().items():
        if name not in allowed:
            raise UsageError(
                f"{flag} needs DATA",
                "Leave it out, or name the data: vidi compare A B DATA",
            )
