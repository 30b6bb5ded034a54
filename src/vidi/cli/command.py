"""A verb as typer takes it: the options of its requests, declared beside their fields, as parameters of its own."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, is_dataclass
from inspect import Parameter, Signature, getdoc, signature
from math import inf, nan
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.core import TyperCommand

from vidi.errors import UsageError
from vidi.options import Argument, Declared, Option, declared, made

Verb = Callable[..., None]


def command(name: str, verb: Verb) -> TyperCommand:
    """The command of a verb: a parameter of its signature that is a request stands for all options of the request."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    # typer hands every value over by its name, and a dict takes them all; `_Command.invoke` goes on from there.
    taken = type("Taken", (dict,), {"__signature__": flat_signature(verb), "__doc__": getdoc(verb)})
    app.command(name, cls=type("Command", (_Command,), {"verb": staticmethod(verb)}))(taken)
    made_command = typer.main.get_command(app)
    assert isinstance(made_command, TyperCommand)  # noqa: S101  # of one function typer makes no group
    return made_command


class _Command(TyperCommand):
    """Calls its verb with requests in place of their options."""

    verb: Verb

    def invoke(self, context: Any) -> Any:
        given: dict[str, Any] = super().invoke(context)
        return self.verb(**_arguments(self.verb, given))


def flat_signature(verb: Verb) -> Signature:
    """The signature of a verb with the options of its requests in the requests' place."""
    flat: dict[str, Parameter] = {}
    for parameter in signature(verb).parameters.values():
        request, may_be_left_out = _request(parameter.annotation)
        for one in [parameter] if request is None else _parameters(request, may_be_left_out):
            known = flat.get(one.name)
            # What two requests have in common is given once, and must be given where one of them needs it.
            if known is None or known.default is not Parameter.empty:
                flat[one.name] = one.replace(kind=Parameter.KEYWORD_ONLY)
    return Signature(list(flat.values()))


def _request(annotation: Any) -> tuple[type | None, bool]:
    """The request that a parameter is, None where it is something else; and whether the user may leave it out."""
    kinds = (annotation, *get_args(annotation)) if get_origin(annotation) is not Annotated else ()
    return next((kind for kind in kinds if is_dataclass(kind)), None), NoneType in kinds  # type: ignore[return-value]


def _parameters(request: type, may_be_left_out: bool) -> Iterator[Parameter]:
    for option in declared(request):
        default, annotation = _default(option), _annotation(option)
        if default is Parameter.empty and may_be_left_out:
            default, annotation = None, Annotated[(annotation.__origin__ | None, *annotation.__metadata__)]
        yield Parameter(option.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _default(option: Declared) -> Any:
    info = option.info
    if option.default is MISSING:
        return Parameter.empty
    if isinstance(info, Option) and info.read is not None:
        return info.written
    return False if _says_no(option) else option.default


def _annotation(option: Declared) -> Any:
    """What typer reads: the type of the words, and how the option is named and explained."""
    info = option.info
    kind = option.kind
    if isinstance(info, Argument):
        return Annotated[list[str] if info.several else kind, typer.Argument(metavar=info.metavar, help=info.help)]
    if info.several:
        kind = list[str] | None
    elif info.read is not None:
        kind = str if info.written else str | None
    flags = info.flags or (f"--{option.name.replace('_', '-')}",)
    completed = (
        (lambda incomplete: [one for one in info.choices if one.startswith(incomplete)]) if info.choices else None
    )
    return Annotated[
        kind,
        typer.Option(
            *flags,
            metavar=info.metavar,
            help=_sentence(option),
            show_default=False,
            parser=_number(option),
            autocompletion=completed,
        ),
    ]


def _number(option: Declared) -> Callable[[Any], Any] | None:
    """What reads a number, and says which are allowed where it is none; None for other options."""
    info, kinds = option.info, set(get_args(option.kind) or (option.kind,))
    if not isinstance(info, Option) or info.read is not None or info.several or not kinds <= {int, float, NoneType}:
        return None
    whole = float not in kinds
    allowed = f"{'a whole number' if whole else 'a number'}{'' if info.least is None else f', {info.least:g} or more'}"

    def read(word: Any) -> Any:
        try:
            value = int(word) if whole else float(word)
        except ValueError:
            value = nan
        if not value >= (-inf if info.least is None else info.least):
            raise UsageError(f"{info.spelled(option.name)[0]} {word} is not allowed", f"Use {allowed}.")
        return value

    return read


def _sentence(option: Declared) -> str:
    """The help of an option, with its default in brackets."""
    default = _default(option)
    if isinstance(default, bool) or not isinstance(default, str | int | float | Path):
        return option.info.help
    return f"{option.info.help.removesuffix('.')} (default {default})."


def _says_no(option: Declared) -> bool:
    """Whether the flag takes something away that is there unless it is given."""
    info = option.info
    return isinstance(info, Option) and option.default is True and all("/" not in flag for flag in info.flags)


def _arguments(verb: Verb, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a verb from the values of its options."""
    arguments: dict[str, Any] = {}
    for name, parameter in signature(verb).parameters.items():
        request, may_be_left_out = _request(parameter.annotation)
        if request is None:
            arguments[name] = given[name]
            continue
        options = list(declared(request))
        missing = any(option.default is MISSING and given[option.name] is None for option in options)
        arguments[name] = None if missing and may_be_left_out else made(request, _values(options, given))
    return arguments


def _values(options: list[Declared], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the options, from the words of the command line."""
    values = {}
    for option in options:
        value, info = given[option.name], option.info
        if _says_no(option):
            value = not value
        elif isinstance(info, Option) and info.read is not None and value is not None:
            value = info.read(value)
        values[option.name] = value
    return values
