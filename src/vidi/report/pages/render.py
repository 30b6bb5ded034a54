"""Templates filled in: everything that comes from outside is escaped, and nothing on the page is loaded or run."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from vidi import numbers
from vidi.errors import from_extra

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

NO_BREAK_SPACE = "\u00a0"
TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, values: Mapping[str, object]) -> str:
    """One self-contained HTML page.

    Args:
        template: file name in `report/pages/templates/`; it extends `page.html`.
        values: what the template names; text is escaped, only `markupsafe.Markup` goes in as it is.

    Raises:
        MissingPackageError: jinja2 is not installed.
    """
    return _environment().get_template(template).render({**values, "vidi_version": version("vidi")})


def require_templates() -> None:
    """Find out before long work whether a page can be written after it.

    Raises:
        MissingPackageError: jinja2 is not installed.
    """
    _environment()


def visible(text: object) -> str:
    """Text whose signs all show: what would turn, hide or break it is written as its code.

    >>> visible("cat\\u202egnp.exe")
    'cat\\\\u202egnp.exe'
    """
    return "".join(
        sign
        if sign.isprintable() or sign == NO_BREAK_SPACE
        else sign.encode("unicode_escape", "surrogatepass").decode("ascii")
        for sign in str(text)
    )


def percent(value: float | None, *, digits: int = 0) -> str:
    """A share as people read it, on one line: see `vidi.numbers.percent`."""
    return numbers.percent(value, digits=digits, space=NO_BREAK_SPACE)


def number(value: float | None, *, digits: int = 3) -> str:
    """A number with a fixed count of decimals, or `no data`."""
    return "no data" if value is None else f"{value:,.{digits}f}"


def count(value: int) -> str:
    """A whole number with thousands set apart."""
    return f"{value:,}"


def rounded(count: int) -> str:
    """A large count as people say it.

    >>> rounded(896), rounded(12_345), rounded(1_234_567), rounded(407_000_000), rounded(15_470_000_000)
    ('896', '12,345', '1.2 million', '407 million', '15.5 billion')
    """
    for size, name in ((1_000_000_000, "billion"), (1_000_000, "million")):
        if count >= size:
            value = count / size
            return f"{value:.1f} {name}" if value < 100 else f"{value:.0f} {name}"
    return f"{count:,}"


def sentence(text: str) -> str:
    """A text that begins with a capital letter.

    >>> sentence("2 images are blurred"), sentence("the corners differ")
    ('2 images are blurred', 'The corners differ')
    """
    return text[:1].upper() + text[1:]


def in_its_folder(path: str) -> str:
    """A file's name with its folder, which often is its class.

    >>> in_its_folder("photos/train/cat/001.jpg"), in_its_folder("001.jpg")
    ('cat/001.jpg', '001.jpg')
    """
    return "/".join(path.split("/")[-2:])


def breakable(path: str) -> "Markup":
    """A path that a narrow column breaks between its words; in the middle of one only where it is too long.

    >>> str(breakable("cat/IMG_20240613.jpg"))
    'cat/<wbr>IMG_<wbr>20240613.jpg'
    """
    from markupsafe import Markup  # comes with jinja2

    return Markup(re.sub(r"(?<=[^/_][/_])", "<wbr>", str(Markup.escape(path))))  # noqa: S704  # it is escaped


@cache
def _environment() -> "Environment":
    with from_extra("the report needs jinja2", extra="report"):
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        visible=visible,
        percent=percent,
        number=number,
        count=count,
        rounded=rounded,
        sentence=sentence,
        in_its_folder=in_its_folder,
        breakable=breakable,
    )
    return environment
