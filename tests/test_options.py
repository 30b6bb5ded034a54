"""An option is declared once: the command line, Python and the reference have its name, type, default and sentence."""

import dataclasses
import inspect
import json
import subprocess
import sys
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, get_args

import click
import pytest
from tools import build_python
from tools.build_reference import FOLDER, REQUESTS

import vidi
from vidi.cli.app import VERBS, made_command, verb_of
from vidi.cli.command import VerbCommand
from vidi.cli.options import HELP_GROUPS
from vidi.detection.locate import WindowSearch
from vidi.errors import UsageError
from vidi.evaluation.guarantees.promise import GuaranteeTargets
from vidi.metrics.conformal import COVERAGE
from vidi.metrics.selective import MAX_ERROR
from vidi.networks.catalog import NETWORKS
from vidi.options import Argument, Declared, Option, Part, declared, made, words_of
from vidi.workflows.requests import train as of_training
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.model_file import LocateRequest
from vidi.workflows.requests.predict import LogRequest
from vidi.workflows.requests.train import TrainRequest

SOURCE = Path(vidi.__file__).parent


def pairs_of(texts: list[str]) -> dict[str, str]:
    return dict(text.split("=") for text in texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    source: Annotated[str, Argument("DATA", "Where.")]
    keep: Annotated[bool, Option("Keep it.")] = False
    colours: Annotated[tuple[str, ...] | None, Option("Which.", flags=("--colour",), several=True)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictQuery:
    data: Annotated[Inner, Part(leave_out=("keep",))]
    size: Annotated[tuple[int, int], Option("How large.", metavar="HxW", read=lambda text: (int(text), 1))] = (2, 2)
    pairs: Annotated[dict[str, str], Option("Pairs.", read=pairs_of, several=True)] = field(default_factory=dict)
    images: Annotated[bool, Option("No pictures.", flags=("--no-images",))] = True
    output: Annotated[Path | None, Option("Where to.", flags=("--output", "-o"))] = None
    count: Annotated[int, Option("How many.", least=1)] = 3


def called(*words: str) -> Any:
    """What a verb gets from these words."""
    got: list[Any] = []

    def verb(request: PredictQuery | None, *, loud: Annotated[bool, Option("Loud.")] = False) -> None:
        """Do it."""
        got.append((request, loud))

    VerbCommand("do", verb).main(list(words), standalone_mode=False)
    return got[0]


def test_a_verb_gets_its_request_from_the_words_of_the_command_line():
    given = ("here", "--colour", "red", "--colour", "blue", "--size", "7", "--pairs", "a=b", "--no-images", "-o", "x")

    assert called(*given, "--loud") == (
        PredictQuery(
            data=Inner(source="here", colours=("red", "blue")),
            size=(7, 1),
            pairs={"a": "b"},
            images=False,
            output=Path("x"),
        ),
        True,
    )


def test_the_words_of_a_request_give_it_back():
    words = words_of(
        PredictQuery,
        {
            "source": "-here",
            "colours": ["red", "blue"],
            "size": "7",
            "pairs": ["a=b"],
            "images": False,
            "output": Path("x"),
            "count": None,
        },
    )

    assert words[-2:] == ["--", "-here"]
    assert called(*words)[0] == PredictQuery(
        data=Inner(source="-here", colours=("red", "blue")),
        size=(7, 1),
        pairs={"a": "b"},
        images=False,
        output=Path("x"),
    )


def test_a_setting_has_the_words_of_set():
    assert words_of(TrainRequest, {"learning_curve": True, "minutes": 2}) == [
        "--minutes=2",
        "--set=studies.learning_curve=true",
    ]


@pytest.mark.parametrize("name", ["keep", "nonsense"])
def test_an_option_that_a_verb_does_not_take_has_no_words(name: str):
    with pytest.raises(UsageError, match=f"there is no option {name}"):
        words_of(PredictQuery, {name: True})


def test_what_is_not_given_keeps_the_default_of_its_field():
    assert called("here") == (PredictQuery(data=Inner(source="here")), False)


def test_a_request_that_may_be_left_out_is_none_without_its_argument():
    assert called() == (None, False)


def test_a_part_left_out_of_a_request_is_no_option_of_its_verb():
    with pytest.raises(Exception, match="No such option '--keep'"):
        called("here", "--keep")


def test_python_values_become_a_request_too():
    given = {"data": Inner(source="here", keep=True), "output": "x", "pairs": None, "size": (3, 3)}

    assert made(PredictQuery, given) == PredictQuery(
        data=Inner(source="here", keep=True), output=Path("x"), size=(3, 3)
    )


def test_a_value_below_the_least_is_refused_by_name():
    with pytest.raises(UsageError, match="--count 0 is too small"):
        made(PredictQuery, {"data": Inner(source="here"), "count": 0})


def test_a_new_option_of_the_data_needs_its_declaration_alone():
    wider = dataclasses.make_dataclass(
        "Wider",
        [("greyscale", Annotated[bool, Option("Read without colour.")], False)],
        bases=(DataRequest,),
        frozen=True,
        kw_only=True,
    )
    got = []

    def verb(request: wider) -> None:  # type: ignore[valid-type]
        """Do it."""
        got.append(request)

    VerbCommand("do", verb).main(["photos", "--greyscale"], standalone_mode=False)

    assert (got[0].source, got[0].greyscale) == ("photos", True)


@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda request: request.__name__)
def test_every_field_of_a_request_is_an_option_with_a_sentence(request_type: type):
    own = {one.name for one in dataclasses.fields(request_type)}

    for option in declared(request_type):
        own.discard(option.name)
        assert option.info.help.endswith((".", "…")), option.name
    parts = [one for one in dataclasses.fields(request_type) if one.name in own]
    assert all("Part" in str(one.type) or dataclasses.is_dataclass(one.type) for one in parts), parts


def verbs_with_requests() -> list[Any]:
    return [
        pytest.param(verb, request, id=f"{verb}-{request.__name__}")
        for verb in VERBS
        for parameter in inspect.signature(verb_of(verb)).parameters.values()
        for request in REQUESTS
        if parameter.annotation in (request, request | None)
    ]


def test_every_request_is_that_of_a_verb():
    assert {param.values[1] for param in verbs_with_requests()} == {*REQUESTS} - {DataRequest}  # it is part of others


@pytest.mark.parametrize(("verb", "request_type"), verbs_with_requests())
def test_every_option_of_a_request_with_a_flag_is_on_the_command_line(verb: str, request_type: type):
    shown = {one.name: one for one in made_command(verb).params}

    for option in declared(request_type):
        info = option.info
        if isinstance(info, Option) and not info.spelled(option.name):
            assert option.name not in shown
            continue
        parameter = shown[option.name]
        assert str(parameter.help).startswith(info.help.removesuffix("."))
        if isinstance(info, Argument):
            continue
        flags = {word for flag in info.spelled(option.name) for word in flag.split("/")}
        assert flags == {*parameter.opts, *parameter.secondary_opts}


def test_help_ends_with_the_default_of_a_number_or_a_text():
    shown = {one.name: str(one.help) for verb in ("calibrate", "locate") for one in made_command(verb).params}

    assert shown["max_error"] == 'Maximum error rate among "sure" answers (default 0.05).'
    assert shown["fills"].endswith(" (default 1x1).")
    assert "default" not in shown["overwrite"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_each_name_and_each_flag_once(verb: str):
    requests = [param.values[1] for param in verbs_with_requests() if param.values[0] == verb]
    parameters = inspect.signature(verb_of(verb)).parameters.values()
    own = {one.name for one in parameters if one.annotation not in [*requests, *(one | None for one in requests)]}
    flags = [flag for one in made_command(verb).params for flag in (*one.opts, *one.secondary_opts)]

    assert own & {option.name for request in requests for option in declared(request)} == set()
    assert len(set(flags)) == len(flags)


@pytest.mark.parametrize("name", build_python.REQUESTS)
def test_every_option_of_a_request_is_an_argument_in_python_with_its_type_and_default(name: str):
    parameters = inspect.signature(vars(vidi).get(name) or vidi.__getattr__(name)).parameters

    for option in build_python.options_of(name):
        parameter = parameters[option.name]
        annotation = parameter.annotation
        written = (
            annotation if isinstance(annotation, str) else Declared("", annotation, None, Argument("", "")).python_type
        )
        assert written == option.python_type
        assert parameter.default == (None if option.default == {} else option.default)
    of_data = {option.name for option in declared(DataRequest)}
    by_place = {option.name for option in declared(build_python.REQUESTS[name]) if isinstance(option.info, Argument)}
    assert {*parameters} - {option.name for option in build_python.options_of(name)} <= (
        {"data", "model", "image", "images"} | (by_place - of_data)
    )


@pytest.mark.parametrize("name", build_python.REQUESTS)
def test_the_signatures_in_python_are_written_from_the_requests(name: str):
    now = build_python.home_of(name).read_text("utf-8")

    assert build_python.written(name) == now, "run: python tools/build_python.py"


@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda request: request.__name__)
def test_every_option_of_a_request_is_in_the_reference(request_type: type):
    page = (FOLDER / "requests.md").read_text("utf-8")
    of_data = {option.name for option in declared(DataRequest)}
    begin = page.index(f"## `{request_type.__module__}.{request_type.__name__}`")
    about = page[begin : page.find("\n## ", begin + 1)]

    for option in declared(request_type):
        if request_type is DataRequest or option.name not in of_data:
            assert f"| `{option.name}` |" in about
            assert option.info.help.replace("|", "\\|") in about


def test_choices_that_are_declared_are_those_of_the_registries():
    from vidi.training.recipe import Execution, Optimization

    choices = {item.name: get_args(item.type) for kind in (Optimization, Execution) for item in fields(kind)}
    assert choices["optimizer"] == of_training.OPTIMIZERS
    assert choices["loss"] == of_training.LOSSES
    assert choices["device"] == of_training.DEVICES


def test_the_completion_of_the_network_lists_every_one():
    (network,) = [one for one in made_command("train").params if one.name == "network"]

    context = made_command("train").make_context("train", [], resilient_parsing=True)
    assert [item.value for item in network.shell_complete(context, "")] == list(NETWORKS)


def test_the_usual_promise_is_that_of_the_metrics():
    assert (GuaranteeTargets().max_error, GuaranteeTargets().coverage) == (MAX_ERROR, COVERAGE)


def test_the_usual_search_for_boxes_is_that_of_the_search_itself():
    request, search = LocateRequest(), WindowSearch(classes=(0,))

    for name in ("least", "smallest"):
        assert getattr(request, name) == getattr(search, name), name
    assert request.fills == search.share


def test_values_of_the_recipe_are_gathered_from_their_options():
    request = made(
        TrainRequest,
        {"data": DataRequest(source="x"), "epochs": 3, "image_size": 64, "freeze": True, "changes": {"views": "one"}},
    )

    assert request.changes == {"freeze": True, "epochs": 3, "image_size": (64, 64), "views": "one"}
    assert request == TrainRequest.from_dict(request.as_dict())


def test_set_gives_options_without_a_flag_and_the_rest_to_the_recipe():
    changes = {
        "verdict.coverage": 0.9,
        "studies.drop_suspects": True,
        "target.recall": 1,
        "framing": "crop",
        "batch": 8,
    }
    given = {"data": DataRequest(source="x"), "changes": {**changes, "target.precision": 0.9}}

    with pytest.raises(UsageError, match=r"there is no target\.recall to set"):
        made(TrainRequest, given)
    del given["changes"]["target.recall"]  # type: ignore[attr-defined]
    request = made(TrainRequest, {**given, "data": None, "source": "x"})

    assert (request.guarantees.promise.coverage, request.diagnostics.drop_suspects, request.data.framing) == (
        0.9,
        True,
        "crop",
    )
    assert request.guarantees.target is not None
    assert (request.guarantees.target.share, request.changes) == (0.9, {"batch": 8})
    assert request == TrainRequest.from_dict(json.loads(json.dumps(request.as_dict())))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("studies.drop_suspects", "yes", "studies.drop_suspects is 'yes'"),
        ("verdict.max_error", "low", "verdict.max_error is 'low'"),
        ("framing", "fold", "framing is 'fold'"),
        ("target.costs", "none.csv", "none.csv cannot be read"),
    ],
)
def test_a_setting_of_another_kind_is_refused_by_its_name(name: str, value: str, message: str):
    with pytest.raises(UsageError, match=message):
        made(TrainRequest, {"source": "x", "changes": {name: value}})


@pytest.mark.parametrize(("verb", "request_type"), verbs_with_requests())
def test_the_environment_leaves_pictures_out_of_what_every_verb_writes(
    verb: str, request_type: type, monkeypatch: pytest.MonkeyPatch
):
    options = [one for one in declared(request_type) if one.name == "images" and verb != "log"]
    needed = {one.name: "x" for one in declared(request_type) if one.default is MISSING}
    given = {**needed, "images": True, **({"candidate": "x"} if verb == "retrain" else {})}
    monkeypatch.setenv("VIDI_NO_IMAGES", "1")

    for _ in options:
        assert made(request_type, given).images is False  # type: ignore[attr-defined]
    monkeypatch.setenv("VIDI_NO_IMAGES", "0")
    for _ in options:
        assert made(request_type, given).images is True  # type: ignore[attr-defined]


def test_the_environment_leaves_pictures_out_of_a_run_that_is_continued(monkeypatch: pytest.MonkeyPatch):
    begun = TrainRequest(data=DataRequest(source="x")).as_dict()
    monkeypatch.setenv("VIDI_NO_IMAGES", "1")

    assert TrainRequest.from_dict(begun).images is False
    with pytest.raises(UsageError, match="--keep-images and VIDI_NO_IMAGES"):
        LogRequest(log="log.sqlite", keep_images=True)


@pytest.mark.parametrize("verb", HELP_GROUPS)
def test_every_option_stands_under_one_heading_of_its_verb(verb: str):
    grouped = [name for names in HELP_GROUPS[verb].values() for name in names]

    assert sorted(grouped) == sorted(one.name for one in made_command(verb).params if isinstance(one, click.Option))


def test_requests_are_declared_without_anything_heavy():
    code = (
        "import sys, pathlib, importlib\n"
        "for path in pathlib.Path(sys.argv[1]).glob('*.py'):\n"
        "    importlib.import_module('vidi.workflows.requests.' + path.stem)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    folder = str(SOURCE / "workflows" / "requests")
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)

    assert {"numpy", "PIL", "torch", "click", "onnxruntime"} & set(done.stdout.split()) == set()


def test_each_verb_has_a_line_of_its_own_in_help_that_is_not_cut():
    assert [name for name, (_, sentence) in VERBS.items() if not (sentence.endswith(".") and len(sentence) <= 60)] == []
