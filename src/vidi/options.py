"""How an option is declared: once, beside a request's field; command line, Python and the reference read it there.

A request is a frozen dataclass. Each of its fields is an `Option` or an `Argument`, or a `Part`: another dataclass
whose fields stand among the request's own on the command line. Nothing here is heavy, for `vidi --help` reads it.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, MISSING, Field, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, cast, get_args, get_origin

from vidi.errors import UsageError

Request = TypeVar("Request")
PATH = "str | os.PathLike[str]"
CHANGES = "changes"  # the option `--set`: values by name, of a recipe or of options without a flag
_AS_WRITTEN = {
    "typing.": "",
    "collections.abc.": "",
    "pathlib.": "",
    "Path": PATH,
    "tuple[str, ...]": "Sequence[str]",
    "'": '"',
}


@dataclass(frozen=True)
class Option:
    """What the declaration of an option says beside the field's name, type and default."""

    help: str  # one sentence
    _: KW_ONLY
    flags: tuple[str, ...] = ()  # `--name` made of the field's name where left out
    metavar: str | None = None  # its value in `--help`, with the unit or the form
    least: float | None = None
    choices: tuple[str, ...] = ()  # offered by the shell's completion; the workflow judges what was given
    several: bool = False  # the flag may be given several times
    read: Callable[[Any], object] | None = None  # words of the command line → value, where the type does not say how
    written: str | None = None  # the default as it is written on the command line, where `read` reads it
    is_path: bool = False  # a text that Python callers may also give as a path
    in_python: str = ""  # the type in Python, where another is taken there too
    python_help: str = ""  # the sentence for Python, where it must be another
    setting: str = ""  # its name under `--set`; it has no flag of its own then, and no argument in Python
    python_only: bool = False  # no flag at all
    off_by: str = ""  # a variable of the environment that switches it off, whatever is given

    def spelled(self, name: str) -> tuple[str, ...]:
        """The flags of the option of that name.

        >>> Option("Keep only these classes.").spelled("keep_only")
        ('--keep-only',)
        """
        if self.setting or self.python_only:
            return ()
        return self.flags or (f"--{name.replace('_', '-')}",)


@dataclass(frozen=True)
class Argument:
    """What is named by its place on the command line."""

    metavar: str
    help: str
    _: KW_ONLY
    several: bool = False


@dataclass(frozen=True)
class Part:
    """A field that holds options of its own."""

    _: KW_ONLY
    leave_out: tuple[str, ...] = ()  # options of the part that this request does not take
    says: Mapping[str, str] = field(default_factory=dict)  # option → sentence, where it means something else here
    settings: Mapping[str, str] = field(default_factory=dict)  # option → its name under `--set`, in place of a flag
    made_by: type | None = None  # the dataclass that declares them, whose `made()` gives the field's value


class Declared(NamedTuple):
    """One option of a request, as the command line, Python and the reference read it."""

    name: str
    kind: Any  # the type of its value
    default: object  # MISSING where it must be given
    info: Option | Argument

    @property
    def is_spelled(self) -> bool:
        """Whether the command line has it: by its place, by a flag or by `--set`."""
        return isinstance(self.info, Argument) or bool(self.info.setting or self.info.spelled(self.name))

    @property
    def python_type(self) -> str:
        """The type that Python callers give, as it is written in a signature."""
        if isinstance(self.info, Option) and self.info.in_python:
            return self.info.in_python
        plain = isinstance(self.kind, type) and not get_args(self.kind)
        name = str(self.kind.__name__) if plain else str(self.kind)
        for old, new in _AS_WRITTEN.items():
            name = name.replace(old, new)
        name = re.sub(r"Optional\[(.*)\]$", r"\1 | None", name)
        if isinstance(self.info, Option) and self.info.is_path:
            name = name.replace("str", PATH, 1)
        return f"{name} | None" if self.default == {} else name

    @property
    def python_default(self) -> str:
        """The default as a signature shows it; empty where the value must be given."""
        if self.default is MISSING:
            return ""
        return "None" if self.default == {} else repr(self.default).replace("'", '"')


def declared(request: type) -> Iterator[Declared]:
    """The options of a request, in the order of its fields, those of its parts in their place."""
    for one in fields(request):
        kind, info = _split(one)
        if isinstance(info, Part):
            for option in declared(_dataclass_of(kind, info)):
                if option.name not in info.leave_out:
                    yield _as_part(option, info)
        else:
            yield Declared(one.name, kind, _default(one), info)


def _as_part(option: Declared, part: Part) -> Declared:
    """An option as the part says it."""
    info = option.info
    if option.name in part.says:
        info = replace(info, help=part.says[option.name])
    if option.name in part.settings and isinstance(info, Option):
        info = replace(info, setting=part.settings[option.name])
    return option._replace(info=info)


def made(request: type[Request], given: Mapping[str, object]) -> Request:
    """The request that the values make, one for each option by its name.

    A value that is not given, or None where that is no value of the option, leaves the default. A part may be given
    whole, under the name of its field.

    Raises:
        UsageError: a value that the option cannot have.
    """
    values: dict[str, object] = {}
    given = _with_settings(request, given)
    for one in fields(cast(Any, request)):
        kind, info = _split(one)
        if isinstance(info, Part):
            inner = _dataclass_of(kind, info)
            if isinstance(given.get(one.name), inner):
                values[one.name] = given[one.name]
            else:
                allowed = {name: value for name, value in given.items() if name not in info.leave_out}
                part: Any = made(inner, allowed)
                values[one.name] = part if info.made_by is None else part.made()
        elif isinstance(info, Option) and switched_off(info.off_by):
            values[one.name] = False
        elif given.get(one.name) is not None or (one.name in given and _may_be_none(kind)):
            values[one.name] = _value(given[one.name], one.name, kind, info)
    return request(**values)


def words_of(request: type, given: Mapping[str, object]) -> list[str]:
    """The words of a command line that give the options of a request these values; None leaves the default.

    An option that reads its words is given them; one that may be repeated takes a list.

    Raises:
        UsageError: there is no such option on the command line.
    """
    options = {one.name: one for one in declared(request) if one.is_spelled}
    flags, places = list[str](), list[str]()
    for name in given:
        if name not in options:
            raise UsageError(f"there is no option {name}", f"Use one of: {', '.join(options)}.")
    for one in options.values():
        value, info = given.get(one.name), one.info
        if value is None:
            continue
        texts = [_word(each) for each in (value if info.several and isinstance(value, list | tuple) else [value])]
        if isinstance(info, Argument):
            places += texts
        elif info.setting:
            flags += [f"--set={info.setting}={text}" for text in texts]
        elif one.kind is not bool:
            flags += [f"{info.spelled(one.name)[0]}={text}" for text in texts]
        elif value != one.default:
            flags.append(info.spelled(one.name)[0])
    return [*flags, "--", *places] if places else flags


def _word(value: object) -> str:
    return os.fspath(value) if isinstance(value, str | os.PathLike) else json.dumps(value)


def _with_settings(request: type, given: Mapping[str, object]) -> Mapping[str, object]:
    """The values by the options' names, also those that `--set` gives."""
    changes = given.get(CHANGES)
    if not isinstance(changes, Mapping):
        return given
    named = {one.info.setting: one for one in declared(request) if isinstance(one.info, Option) and one.info.setting}
    groups = {name.partition(".")[0] for name in named if "." in name}
    found: dict[str, object] = {}
    for name, value in changes.items():
        if name in named:
            found[named[name].name] = _setting(value, named[name])
        elif name.partition(".")[0] in groups:
            raise UsageError(f"there is no {name} to set", f"Use one of: {', '.join(named)}.")
    return {**given, **found, CHANGES: {name: value for name, value in changes.items() if name not in named}}


def _setting(value: object, option: Declared) -> object:
    """The value of an option that is given by `--set`."""
    info = option.info
    if isinstance(info, Option) and info.read is not None and isinstance(value, str):
        return info.read(value)
    if not _fits(value, option.kind):
        kinds = {option.kind, *get_args(option.kind)}
        choices = [str(one) for kind in kinds if get_origin(kind) is Literal for one in get_args(kind)]
        words = ", ".join(choices) or ("true or false" if bool in kinds else "a number" if float in kinds else "a path")
        raise UsageError(f"{info.setting if isinstance(info, Option) else option.name} is {value!r}", f"Use {words}.")
    return value


def switched_off(variable: str) -> bool:
    """Whether a variable of the environment switches something off: it is there, and neither empty nor 0."""
    return bool(variable) and os.environ.get(variable, "0") not in ("", "0")


def require_kinds(request: type, plain: Mapping[str, Any]) -> None:
    """Refuse values, as JSON has them, that the options of a request cannot have.

    Raises:
        TypeError: a value is of another kind than its option.
    """
    for one in fields(request):
        if one.name in plain and not _fits(plain[one.name], _split(one)[0]):
            raise TypeError(f"{one.name} is {plain[one.name]!r}")


def _fits(value: object, kind: Any) -> bool:
    """Whether a plain value is of a kind; what JSON writes otherwise than Python is known."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return value in inner
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(one, inner[0]) for one in value)
    if origin is not None or is_dataclass(kind):
        return isinstance(value, Mapping)
    if kind in (float, Path):
        kind = int | float if kind is float else str
    elif not isinstance(kind, type):  # a name of a type that is not loaded
        return True
    return isinstance(value, kind) and (kind is bool) == isinstance(value, bool)


def _split(one: "Field[Any]") -> tuple[Any, Option | Argument | Part]:
    """A field's type and what stands beside it."""
    kind: Any = one.type
    if get_origin(kind) is not Annotated:
        return kind, Part()
    return kind.__origin__, next(info for info in kind.__metadata__ if isinstance(info, Option | Argument | Part))


def _dataclass_of(kind: Any, part: Part) -> type:
    """The dataclass that declares a part's options."""
    (found,) = [one for one in (part.made_by or kind, *get_args(kind)) if is_dataclass(one)]
    return cast(type, found)


def _may_be_none(kind: Any) -> bool:
    return NoneType in get_args(kind)


def _default(one: "Field[Any]") -> object:
    return one.default if one.default_factory is MISSING else one.default_factory()


def _value(value: object, name: str, kind: Any, info: Option | Argument) -> object:
    """A value in its option's type: paths and sequences come in several."""
    if isinstance(info, Option) and info.least is not None and isinstance(value, int | float) and value < info.least:
        raise UsageError(f"{info.spelled(name)[0]} {value:g} is too small", f"Use {info.least:g} or more.")
    kinds = {kind, *get_args(kind)}
    if isinstance(value, str | os.PathLike) and Path in kinds:
        return Path(value)
    if isinstance(value, os.PathLike) and isinstance(info, Option) and info.is_path:
        return os.fspath(value)
    if isinstance(value, Iterable) and not isinstance(value, str) and any(get_origin(one) is tuple for one in kinds):
        return tuple(value)
    return value
