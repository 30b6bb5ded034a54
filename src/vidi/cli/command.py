"""A verb as a command of click: the options beside its requests' fields and in its own signature are its parameters."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, is_dataclass
from inspect import Parameter, getdoc, signature
from math import inf, nan
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import click
from click.core import ParameterSource

from vidi.cli.options import HELP_GROUPS
from vidi.errors import UsageError
from vidi.options import Argument, Declared, Option, declared, made

Verb = Callable[..., None]


class VerbCommand(click.Command):
    """The command of a verb: a parameter of its signature that is a request has all options of the request."""

    def __init__(self, name: str, verb: Verb) -> None:
        params = [_parameter(one) for one in options_of(verb) if _is_on_the_line(one)]
        super().__init__(name, params=params, help=getdoc(verb))
        self.verb = verb

    def parse_args(self, context: click.Context, words: list[str]) -> list[str]:
        """Read the words; an error knows the command whose words they are."""
        try:
            return super().parse_args(context, words)
        except click.UsageError as error:
            error.ctx = error.ctx or context
            raise

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of `--help`, under their headings where the verb has some."""
        groups = HELP_GROUPS.get(self.name or "")
        if groups is None:
            super().format_options(context, formatter)
            return
        rows = {one.name: one.get_help_record(context) for one in self.get_params(context)}
        arguments = [one.name for one in self.params if isinstance(one, click.Argument)]  # shown before
        grouped = {name for names in groups.values() for name in names}
        other = tuple(name for name in rows if name not in {*grouped, *arguments})
        for heading, names in {**groups, "Other": other}.items():
            shown = [row for name in names if (row := rows[name]) is not None]
            if shown:
                with formatter.section(heading):
                    formatter.write_dl(shown)

    def invoke(self, context: click.Context) -> None:
        """Call the verb with what the command line gives; the verb and its requests know the defaults."""
        given = {
            name: value
            for name, value in context.params.items()
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        }
        self.verb(**_arguments(self.verb, given))


def options_of(verb: Verb) -> list[Declared]:
    """What a verb takes: its own options, and those of its requests in the requests' place."""
    found: dict[str, Declared] = {}
    for parameter in signature(verb).parameters.values():
        request, may_be_left_out = _request(parameter.annotation)
        for one in [_own(parameter)] if request is None else declared(request):
            known = found.get(one.name)
            # What two requests have in common is given once, and must be given where one of them needs it.
            if known is None or known.default is not MISSING:
                is_optional = one.default is MISSING and may_be_left_out
                found[one.name] = one._replace(default=None) if is_optional else one
    return list(found.values())


def _is_on_the_line(option: Declared) -> bool:
    """Whether an option has a flag or a place; others are given by `--set` or in Python."""
    return isinstance(option.info, Argument) or bool(option.info.spelled(option.name))


def _request(annotation: Any) -> tuple[type | None, bool]:
    """The request that a parameter is, None where it is something else; and whether the user may leave it out."""
    kinds = (annotation, *get_args(annotation)) if get_origin(annotation) is not Annotated else ()
    return next((kind for kind in kinds if is_dataclass(kind)), None), NoneType in kinds  # type: ignore[return-value]


def _own(parameter: Parameter) -> Declared:
    """An option that the signature of a verb declares."""
    kind, info = get_args(parameter.annotation)
    return Declared(parameter.name, kind, MISSING if parameter.default is Parameter.empty else parameter.default, info)


def _parameter(option: Declared) -> click.Parameter:
    """What click reads: the type of the words, and how the option is named and explained."""
    info, is_needed = option.info, option.default is MISSING
    if isinstance(info, Argument):
        return click.Argument(
            [option.name],
            metavar=info.metavar if is_needed else f"[{info.metavar}]",
            help=info.help,
            required=is_needed,
            nargs=-1 if info.several else 1,
            type=click.Path(readable=False, path_type=Path if Path in _kinds(option) else str),
        )
    return click.Option(
        [*info.spelled(option.name), option.name],
        metavar=info.metavar,
        help=_sentence(option),
        required=is_needed,
        multiple=info.several,
        is_flag=True if option.kind is bool else None,  # False would make a value optional
        type=_read_by(option, info),
        shell_complete=lambda _context, _parameter, begun: (
            [one for one in info.choices if one.startswith(begun)] if info.choices else None
        ),
    )


def _kinds(option: Declared) -> set[Any]:
    return {option.kind, *get_args(option.kind)}


def _read_by(option: Declared, info: Option) -> Any:
    """What makes a word the value of an option; a text stays one."""
    kinds = _kinds(option)
    if info.read is not None or info.several or option.kind is bool:
        return None
    if Path in kinds:
        return click.Path(readable=False, path_type=Path)
    for kind in kinds:
        if get_origin(kind) is Literal:
            return click.Choice(get_args(kind))
    if not kinds & {int, float}:
        return None
    whole = float not in kinds
    allowed = f"{'a whole number' if whole else 'a number'}{'' if info.least is None else f', {info.least:g} or more'}"

    def read(word: str) -> float:
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
    info = option.info
    default = info.written if isinstance(info, Option) and info.read is not None else option.default
    if isinstance(default, bool) or not isinstance(default, str | int | float | Path) or default == "":
        return info.help
    return f"{info.help.removesuffix('.')} (default {default})."


def _arguments(verb: Verb, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a verb from the values on the command line."""
    arguments: dict[str, Any] = {}
    for name, parameter in signature(verb).parameters.items():
        request, may_be_left_out = _request(parameter.annotation)
        if request is None:
            if name in given:
                arguments[name] = given[name]
            continue
        options = list(declared(request))
        missing = any(option.default is MISSING and option.name not in given for option in options)
        arguments[name] = None if missing and may_be_left_out else made(request, _values(options, given))
    return arguments


def _values(options: list[Declared], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the options that are given, from the words of the command line."""
    values = {}
    for option in options:
        if option.name not in given:
            continue
        value, info = given[option.name], option.info
        if option.default is True:  # the flag takes something away that is there unless it is given
            value = not value
        elif isinstance(info, Option) and info.read is not None:
            value = info.read(value)
        values[option.name] = value
    return values
