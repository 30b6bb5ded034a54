"""`vidi benchmark`: how fast is it here?"""

import json
from functools import partial

import click

from vidi.cli import options
from vidi.workflows.requests.benchmark import BenchmarkRequest


def benchmark(request: BenchmarkRequest, *, as_json: options.AsJson = False) -> None:
    """Measure speed, memory and size of models on this processor, by engine, precision and threads."""
    from vidi.cli.screen import show_line, show_table
    from vidi.cli.terminal import Terminal
    from vidi.files import escape_path
    from vidi.workflows.benchmark import benchmark as measure
    from vidi.workflows.benchmarking.document import RIGHT

    done = measure(request, progress=partial(Terminal().count, "measuring, turn"))
    if as_json:
        click.echo(json.dumps(done.as_json(), indent=1))
    else:
        for sentence in done.sentences():
            show_line(sentence)
        show_table(done.rows(), right=RIGHT)
    if request.output is not None:
        click.echo(f"figures: {escape_path(request.output)}", err=as_json)
