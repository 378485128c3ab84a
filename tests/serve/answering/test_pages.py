"""pages.py: a page loads what it is made of, and nothing else."""

from __future__ import annotations

from headrace.serve.answering.pages import page_headers


def test_a_page_of_nothing_may_do_nothing() -> None:
    assert page_headers()["Content-Security-Policy"] == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def test_styles_and_scripts_are_allowed_by_their_text() -> None:
    policy = page_headers(styles=["a{}", "b{}"], scripts=["1"], connect_src="'self'")
    assert policy["Content-Security-Policy"] == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "style-src 'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk=' "
        "'sha256-7yqHVAesot11p6HczDsgKRipvI5UPgs97z80zNXlans='; "
        "script-src 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='; connect-src 'self'"
    )


def test_no_other_page_may_frame_it_open_it_or_learn_its_address() -> None:
    headers = page_headers()
    del headers["Content-Security-Policy"]
    assert headers == {
        "Content-Type": "text/html; charset=utf-8",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": (
            "accelerometer=(), autoplay=(), camera=(), display-capture=(), fullscreen=(), "
            "geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), "
            "usb=()"
        ),
        "Referrer-Policy": "no-referrer",
    }
