"""Pages for browsers: takes what a page is made of, gives the headers that confine it to that."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

_UNUSED = (
    "accelerometer",
    "autoplay",
    "camera",
    "display-capture",
    "fullscreen",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "usb",
)


def page_headers(
    *, styles: Iterable[str] = (), scripts: Iterable[str] = (), **sources: str
) -> dict[str, str]:
    """The headers of an HTML page.

    It loads nothing that is not named here, is shown in no other page, sends no address of its own
    along, and shares no process with pages of others.

    Args:
        styles: texts of its `<style>` elements.
        scripts: texts of its `<script>` elements.
        sources: further directives of its Content-Security-Policy, with `_` for `-`:
            `connect_src="'self'"`. What is not given is 'none'.
    """
    directives = {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "style-src": _hashes(styles),
        "script-src": _hashes(scripts),
    }
    directives |= {name.replace("_", "-"): value for name, value in sources.items()}
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "; ".join(
            f"{name} {value}" for name, value in directives.items() if value
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": ", ".join(f"{each}=()" for each in _UNUSED),
        "Referrer-Policy": "no-referrer",
    }


def _hashes(texts: Iterable[str]) -> str:
    """The sources that allow just these texts; "" for none."""
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(each).decode()}'" for each in digests)
