"""Templates filled in: everything that comes from outside is escaped, and nothing on the page is loaded or run."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.errors import from_extra
from vidi.export.page_files import WEB
from vidi.files import write_atomic
from vidi.report.words.text import count, in_its_folder, number, percent, points, rounded, sentence, visible

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

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


def write_page(path: Path, template: str, values: Mapping[str, object]) -> None:
    """Write one self-contained HTML page: see `render_page`.

    Raises:
        MissingPackageError: jinja2, or matplotlib for its figures, is not installed.
        ResourceError: the page cannot be written.
    """
    write_atomic(path, render_page(template, values))


def require_templates() -> None:
    """Find out before long work whether a page can be written after it.

    Raises:
        MissingPackageError: jinja2 is not installed.
    """
    _environment()


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
        loader=FileSystemLoader([TEMPLATES, WEB]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        visible=visible,
        percent=percent,
        number=number,
        points=points,
        count=count,
        rounded=rounded,
        sentence=sentence,
        in_its_folder=in_its_folder,
        breakable=breakable,
    )
    return environment
