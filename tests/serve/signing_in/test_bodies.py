"""bodies.py: wherever somebody asks to go after signing in, it is a path of ours."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from headrace.serve.signing_in.bodies import HOME, own_path

HERE = "https://shop.example/console/sign-in"


@given(st.one_of(st.text(max_size=40), st.text("/\\.:@?#%ae\t\r\n\x00 ", max_size=12)))
def test_it_leads_to_no_other_host_however_it_is_written(target: str) -> None:
    path = own_path(target)
    there = urlsplit(urljoin(HERE, path))
    assert (there.scheme, there.netloc) == ("https", "shop.example")
    assert path[0] == "/"
    assert path[1:2] not in ("/", "\\")
    assert path.isascii()
    assert path.isprintable()
    assert path in (target, HOME)
