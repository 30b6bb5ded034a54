"""The errors of click, who read the command line, in the words of all other errors."""

from collections.abc import Sequence

import click


def usage_message(error: click.UsageError) -> str:
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
    return f"error: {cause}\n  {remedy}"


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
