"""Errors that nobody raised on purpose, and those of click, which reads the command line, as all other errors."""

from collections.abc import Mapping, Sequence

import click

from vidi.errors import MissingPackageError, ResourceError, UsageError, VidiError, as_vidi_error
from vidi.files import is_full

EXTRA_OF: Mapping[str, str] = {  # package → the optional part of vidi that brings it
    "torch": "train",
    "safetensors": "train",
    "sklearn": "train",
    "tomli_w": "train",
    "matplotlib": "report",
    "jinja2": "report",
    "markupsafe": "report",
    "skimage": "demo",
    "optuna": "tune",
    "starlette": "serve",
    "uvicorn": "serve",
    "httptools": "serve",
    "msgspec": "serve",
    "python_multipart": "serve",
    "prometheus_client": "serve",
    "segno": "serve",
    "cryptography": "serve",
    "sqlalchemy": "log",
    "pg8000": "log",
    "openvino": "openvino",
    "av": "video",
    "ray": "ray",
}


def explained(error: Exception) -> VidiError:
    """Any error of a command with its cause, its remedy and its exit code."""
    if isinstance(error, click.UsageError):
        return _misused(error)
    if isinstance(error, ModuleNotFoundError):
        extra = EXTRA_OF.get((error.name or "").partition(".")[0])
        if extra is not None:
            return MissingPackageError(
                f"this needs {error.name}, which is not installed", f'pip install "vidi[{extra}]"'
            )
    if is_full(error):
        return ResourceError(
            f"the output could not be written: {error.args[-1]}", "Free disk space, or write to another place."
        )
    return as_vidi_error(error)


def _misused(error: click.UsageError) -> UsageError:
    """What is wrong with the words of a command, and what to do about it."""
    command = error.ctx.command_path if error.ctx else "vidi"
    usage = " ".join(error.ctx.get_usage().split()) if error.ctx else ""
    see = f"`{command} --help` explains all options."
    match error:
        case click.NoSuchCommand(command_name=name, possibilities=near):
            cause, remedy = f"vidi has no command {name}", f"{_meant(near)}`vidi --help` lists all commands."
        case click.NoSuchOption(option_name=name, possibilities=near):
            cause, remedy = f"{command} has no option {name}", f"{_meant(near)}{see}"
        case click.MissingParameter(param=click.Parameter() as needed):
            cause, remedy = f"{command} needs {_named(needed)}", f"{_help(needed)} {usage}"
        case click.BadOptionUsage(option_name=name) if (wrong := _option(error.ctx, name)) is not None:
            takes = "takes no value" if wrong.is_flag else "needs a value"
            cause, remedy = f"{name} {takes}", f"{_named(wrong)}: {_help(wrong)}"
        case click.BadParameter(message=text, param=click.Parameter() as wrong):
            cause, remedy = f"{_named(wrong)}: {text.removesuffix('.')}", f"{_help(wrong)} {see}"
        case _:
            text = error.format_message().removesuffix(".")
            cause = f"{command}: {text[:1].lower()}{text[1:]}"
            remedy = f"{usage}; {see}".removeprefix("; ")
    return UsageError(cause, remedy)


def _meant(near: Sequence[str] | None) -> str:
    return f"Did you mean {' or '.join(near)}? " if near else ""


def _named(parameter: click.Parameter) -> str:
    """A place or an option with its value, as `--help` writes them."""
    value = (parameter.metavar or "").strip("[]")
    return value if isinstance(parameter, click.Argument) else f"{parameter.opts[0]} {value}".strip()


def _help(parameter: click.Parameter) -> str:
    return (parameter.help or "") if isinstance(parameter, click.Option | click.Argument) else ""


def _option(context: click.Context | None, name: str) -> click.Option | None:
    """The option of a command by its name."""
    options = context.command.params if context else []
    return next((one for one in options if isinstance(one, click.Option) and name in one.opts), None)
