"""The rules of the house, measured: imports, signatures, and what a fresh interpreter loads."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest
from tools.measure_house import (
    MODULES,
    SOURCE,
    classes_over,
    folder_cycles,
    functions,
    functions_over,
    imports,
    options,
    parsed,
    private_names,
    text_of,
)

FORBIDDEN_NAMES = {"utils", "common", "helpers", "core", "base", "misc", "manager"}
HEAVY = {"torch", "onnx", "scipy", "sklearn", "skimage", "matplotlib", "jinja2", "asyncio", "rich", "filelock", "yaml"}


def test_no_signature_of_our_own_swallows_keywords():
    assert [f"{p.relative_to(SOURCE)}:{n.name}" for p in MODULES for n in functions(p) if n.args.kwarg] == []


def test_a_verb_has_no_more_options_than_fit_one_screen():
    counts = options()

    assert sum(counts.values()) <= 240
    assert counts["train"] <= 38  # under headings
    assert {verb: count for verb, count in counts.items() if count > 24} == {"train": counts["train"]}


def test_a_function_has_at_most_seven_parameters():
    assert functions_over(7) == []


def test_a_class_has_at_most_fifteen_fields():
    assert classes_over(15) == []


def test_no_module_has_a_name_that_says_nothing():
    assert [p for p in SOURCE.rglob("*") if p.stem.strip("_") in FORBIDDEN_NAMES] == []


def test_the_formatter_is_never_switched_off():
    assert sum(text_of(path).count("# fmt: skip") for path in MODULES) == 0


def test_folders_hold_one_docstring_and_no_code_in_their_init():
    crowded = []
    for path in SOURCE.rglob("__init__.py"):
        if path.parent in (SOURCE, SOURCE / "serving"):  # `vidi` and `vidi.serving` give public names
            continue
        body = parsed(path).body
        if len(body) != 1 or not isinstance(body[0], ast.Expr):
            crowded.append(str(path.relative_to(SOURCE)))
    assert crowded == []


def test_every_public_function_says_what_it_is_for():
    silent = [
        f"{path.relative_to(SOURCE)}:{node.name}"
        for path in MODULES
        for node in parsed(path).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node, clean=False) is None
    ]
    assert silent == []


def test_no_modules_import_each_other_not_even_late_or_for_types_alone():
    cycle: list[str] = []
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        cycle = error.args[1]
    assert cycle == []


def test_no_folders_import_each_other():
    assert folder_cycles(imports()) == []


def test_a_module_imports_at_most_twenty_others():
    assert {name: len(others) for name, others in imports().items() if len(others) > 20} == {}


def test_libraries_are_used_by_their_public_names():
    assert private_names() == []


def test_only_the_decoder_opens_images():
    openers = [
        str(path.relative_to(SOURCE))
        for path in MODULES
        if "Image.open(" in text_of(path) and path.parent.name != "images"
    ]
    assert openers == []


RESTRICTED = {  # each at one place
    'torch.load(path, map_location="cpu", weights_only=True)': "weights.py",  # makes tensors, and runs nothing
    "yaml.load(text, Loader=yaml.BaseLoader)": "yolo.py",  # makes text, lists and mappings: less than safe_load
}


def test_nothing_unpickles_evaluates_or_calls_a_shell():
    forbidden = (
        "pickle.load",
        "torch.load(",
        "eval(",
        "exec(",
        "shell=True",
        "os.system",
        "yaml.load",
        "allow_pickle=True",
    )
    texts = {path: text_of(path) for path in MODULES}
    places = {call: [path.name for path, text in texts.items() if call in text] for call in RESTRICTED}
    for call in RESTRICTED:
        texts = {path: text.replace(call, "") for path, text in texts.items()}
    found = [
        f"{path.relative_to(SOURCE)}: {word}"
        for path, text in texts.items()
        for word in forbidden
        if word in text and re.search(rf"(?<![\w.]){re.escape(word)}", text)
    ]
    assert found == []
    assert places == {call: [name] for call, name in RESTRICTED.items()}


def test_nothing_is_left_half_done():
    marks = ("TODO", "FIXME", "XXX", "NotImplementedError")
    assert [f"{p.name}: {m}" for p in MODULES for m in marks if m in text_of(p)] == []


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("code", "kept_out"),
    [
        ("import vidi", HEAVY | {"numpy", "PIL", "onnxruntime", "click"}),
        (
            "import contextlib\nsys.argv = ['vidi', '--help']\nfrom vidi.cli.app import main\n"
            "with contextlib.suppress(SystemExit): main()",
            HEAVY | {"numpy", "PIL", "onnxruntime"},
        ),
        (
            "import contextlib\nsys.argv = ['vidi', 'predict', '--help']\nfrom vidi.cli.app import main\n"
            "with contextlib.suppress(SystemExit): main()",
            HEAVY | {"numpy", "PIL", "onnxruntime"},
        ),
        ("import vidi.prediction.predictor", HEAVY),
    ],
    ids=["import vidi", "vidi --help", "vidi predict --help", "vidi predict"],
)
def test_a_fresh_interpreter_loads_only_what_it_needs(code, kept_out):
    assert loaded_by(code) & kept_out == set()


def test_whoever_uses_a_model_needs_no_torch():
    workflows = ("check", "evaluate", "report", "split", "predict", "inspect", "runs", "explain")

    assert "torch" not in loaded_by("\n".join(f"import vidi.workflows.{name}" for name in workflows))


def test_no_database_is_needed_without_a_log():
    workflows = ("watch", "predict", "locate", "train", "check")

    assert "sqlalchemy" not in loaded_by("\n".join(f"import vidi.workflows.{name}" for name in workflows))


# What is read, stored and shown.
EDGES = (
    "app",
    "cli",
    "data",
    "model_file",
    "prediction",
    "detection",  # a foreign detector is written as a model file
    "explanation.py",
    "export",
    "log",
    "report",
    "workflows",
    "serving",
    "estimator.py",
    "cli",  # the headings of its options
)


def test_only_the_edges_know_a_flag_for_several_classes():
    flagged = {
        path.relative_to(SOURCE).parts[0]
        for path in MODULES
        if re.search(r"\bmulti_label\b(?! import)(?!\.)", text_of(path))
    }
    steps = {
        str(path.relative_to(SOURCE))
        for path in MODULES
        if "workflows/run/" in path.as_posix() and re.search(r"\.multi_label\b(?! import)", text_of(path))
    }

    assert flagged <= set(EDGES)
    assert steps <= {"workflows/run/describe.py", "workflows/run/plan.py"}
