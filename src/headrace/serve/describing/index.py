"""The page at `/`: takes a manifest, gives the list of endpoints as JSON or as HTML.

The HTML needs nothing from anywhere, and no script: it works under `default-src 'none'`.
"""

from __future__ import annotations

from html import escape
from typing import get_args

import msgspec

from headrace.serve.answering.answers import Answer
from headrace.serve.answering.pages import page_headers
from headrace.serve.asking.parameters import paging_parameters
from headrace.serve.formats.forms import Ending, MediaRanges
from headrace.store.snapshots import EndpointContract, Manifest, Parameter, Ref

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.5rem}h2{font:600 1.1rem/1.5 ui-monospace,monospace;margin:2rem 0 0}"
    "p{margin:.25rem 0}table{border-collapse:collapse;margin:.5rem 0}"
    "td,th{text-align:left;padding:.15rem 1.5rem .15rem 0;vertical-align:top}"
    "th{font-weight:normal;opacity:.6}code{font-family:ui-monospace,monospace}"
    "small{opacity:.6}:root{color-scheme:light dark}"
)
_PAGE_HEADERS = page_headers(styles=[_STYLE])


class Index:
    """The list of endpoints of one snapshot, in both forms."""

    def __init__(self, ref: Ref, manifest: Manifest) -> None:
        self._html = _page(ref, manifest).encode()
        self._json = msgspec.json.encode(_listing(ref, manifest))

    def answer(self, accept: str, caching: str = "no-cache") -> Answer:
        """HTML when Accept likes it better than JSON; `caching` is its Cache-Control."""
        ranges = MediaRanges.parse(accept)
        common = {"Vary": "Accept, Authorization, Cookie", "Cache-Control": caching}
        if ranges.quality("text/html") > ranges.quality("application/json"):
            return Answer(200, self._html, {**_PAGE_HEADERS, **common})
        return Answer(200, self._json, {"Content-Type": "application/json", **common})


def _listing(ref: Ref, manifest: Manifest) -> dict[str, object]:
    return {
        "project": manifest.project,
        "snapshot": ref.number,
        "published_at": ref.at,
        "openapi": "/openapi.json",
        "endpoints": [
            {
                "name": each.name,
                "path": each.path,
                "description": each.description,
                "version": each.version,
                "deprecated": each.deprecated or None,
                "sunset": each.sunset or None,
            }
            for each in manifest.endpoints
        ],
    }


def _page(ref: Ref, manifest: Manifest) -> str:
    title = escape(manifest.project)
    body = "".join(_section(each) for each in manifest.endpoints) or "<p>No endpoints.</p>"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p><small>Snapshot {ref.number}, published {escape(_moment(ref.at))} UTC. "
        '<a href="/openapi.json">openapi.json</a>, <a href="/readyz">readyz</a></small></p>'
        f"{body}</body></html>\n"
    )


def _section(endpoint: EndpointContract) -> str:
    path = escape(endpoint.path)
    needs_nothing = not any(each.required for each in endpoint.parameters)
    heading = f'<a href="{path}">{path}</a>' if needs_nothing else path
    names = {each.name for each in endpoint.parameters}
    paging = [each for each in paging_parameters(endpoint) if each.name not in names]
    rows = "".join(_row(each) for each in (*endpoint.parameters, *paging))
    fields = ", ".join(
        f"<code>{escape(column.name)}</code> <small>{escape(column.type)}</small>"
        for column in endpoint.columns
    )
    said = _described(endpoint.description)
    return (
        f"<h2>{heading}</h2>{said}{_end(endpoint)}<table>{rows}</table>"
        f"<p>{fields}</p>{_opened(endpoint)}{_saved(path) if needs_nothing else ''}"
    )


def _described(description: str) -> str:
    return f"<p>{escape(description)}</p>" if description else ""


def _opened(endpoint: EndpointContract) -> str:
    """What requests may choose rows by, and order them by; "" for neither."""
    said = [
        f"{verb} by {', '.join(f'<code>{escape(name)}</code>' for name in names)}"
        for verb, names in (("filter", endpoint.filters), ("sort", endpoint.sorts))
        if names
    ]
    return f"<p><small>{'; '.join(said)}</small></p>" if said else ""


def _saved(path: str) -> str:
    """Links to the answer in each format."""
    links = ", ".join(f'<a href="{path}.{ending}">{ending}</a>' for ending in get_args(Ending))
    return f"<p><small>{links}</small></p>"


def _moment(at: str) -> str:
    """An ISO 8601 time to the second, for people."""
    return at[:19].replace("T", " ")


def _end(endpoint: EndpointContract) -> str:
    """From when on others should be used, for people; "" while nothing ends it."""
    said = [
        f"deprecated from {endpoint.deprecated}" if endpoint.deprecated else "",
        f"may be gone from {endpoint.sunset}" if endpoint.sunset else "",
    ]
    text = ", ".join(each for each in said if each)
    return f"<p><strong>{text}</strong></p>" if text else ""


def _row(parameter: Parameter) -> str:
    default = "required" if parameter.required else f"default {parameter.default}"
    cells = (parameter.name, parameter.type, default, parameter.description)
    head, *rest = (escape(cell) for cell in cells)
    return f"<tr><th><code>{head}</code></th><td>{'</td><td>'.join(rest)}</td></tr>"
