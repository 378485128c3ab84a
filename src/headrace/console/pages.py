"""Pages: takes a template and its values, gives an answer that a browser shows and nothing runs in.

Values are escaped wherever they stand. A page loads its own style and its own script, and nothing
else, from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from headrace.serve.answering.answers import Answer
from headrace.serve.answering.pages import page_headers
from headrace.serve.answering.problems import Refused, not_found

STATIC = "/console/static"
_FOLDER = Path(__file__).parent
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_HASH_CHARACTERS = 16
_SNIFFED = {"X-Content-Type-Options": "nosniff"}
_SHARED = {
    name: value
    for name, value in page_headers().items()
    if name not in ("Content-Type", "Content-Security-Policy")
} | _SNIFFED
_PAGE = {
    **page_headers(
        script_src="'self'",
        style_src="'self'",
        img_src="'self' data:",
        connect_src="'self'",
        font_src="'self'",
        form_action="'self'",
    ),
    **_SNIFFED,
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages load, under a name that changes with its content."""

    name: str
    content: bytes
    content_type: str


@cache
def assets() -> Mapping[str, Asset]:
    """All files of static/, by the names that they are served under."""
    found = {}
    for path in sorted((_FOLDER / "static").iterdir()):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            digest = sha256(content).hexdigest()[:_HASH_CHARACTERS]
            name = f"{path.stem}.{digest}{path.suffix}"
            found[name] = Asset(name, content, _TYPES[path.suffix])
    return found


def asset(name: str) -> Answer:
    """A file that pages load; it may be kept for ever.

    Raises:
        Refused: 404, there is none of this name.
    """
    found = assets().get(name)
    if found is None:
        raise Refused(not_found())
    headers = {
        **_SHARED,
        "Content-Type": found.content_type,
        "Cache-Control": "public, max-age=31536000, immutable",
    }
    return Answer(200, found.content, headers)


def page(template: str, status: int = 200, **values: object) -> Answer:
    """A page: `template` of templates/ with its values."""
    text = _environment().get_template(f"{template}.html").render(values)
    return Answer(status, text.encode("utf-8", "replace"), _PAGE)


def redirect(path: str) -> Answer:
    """The way to another page of the console."""
    return Answer(303, b"", {**_SHARED, "Cache-Control": "no-store", "Location": path})


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in assets():
        environment.globals[name.split(".")[-1]] = f"{STATIC}/{name}"
    return environment
