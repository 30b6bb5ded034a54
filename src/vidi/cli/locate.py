"""`vidi locate`: where on these images is it?"""

import sys

from vidi.cli import options
from vidi.workflows.requests.model_file import InputsRequest, LocatedFiles, LocateRequest


def locate(
    model: options.Model,
    inputs: InputsRequest,
    request: LocateRequest,
    files: LocatedFiles,
    *,
    as_json: options.AsJson = False,
) -> None:
    """Find boxes around what a model recognises; it was trained on labels of whole images only."""
    from vidi.cli.terminal import counted, on_terminal, say_ending
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.interaction.inputs import named_first
    from vidi.workflows.interaction.output import warning_about
    from vidi.workflows.locate import LocateOutputs, search_images
    from vidi.workflows.locating.search import hint_of_nothing

    events = on_terminal()
    predictor = Predictor.load(named_first(model, inputs.inputs, verb="locate"))
    if warning := warning_about(predictor.model):
        events.say(warning)
    account = search_images(
        predictor,
        request,
        inputs.inputs,
        wanted=LocateOutputs(as_json=as_json, output=files.output, coco=files.coco, images=files.images),
        stream=sys.stdout,
        # On a terminal the lines themselves are the progress.
        watch=lambda found, total: found if sys.stdout.isatty() else counted(found, "searching images", total, events),
        events=events,
    )
    if hint := hint_of_nothing(predictor, request):
        events.say(hint)
    events.say("the model never saw boxes in training; `vidi evaluate MODEL DATA --boxes` measures their quality")
    raise SystemExit(say_ending(account, events, named=as_json))
