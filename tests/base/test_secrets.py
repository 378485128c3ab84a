"""A secret prints itself nowhere, and is never written down where it is used."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from headrace.base.errors import UsageError
from headrace.base.secrets import Secret, read_secret

VALUE = "correct-horse-battery"
NO_REFERENCE = (
    "headrace.toml: client_secret: expected a reference to a secret, `env:NAME` or `file:PATH`,"
    " not the secret itself"
)


def test_a_secret_shows_itself_only_when_it_is_asked() -> None:
    secret = Secret(VALUE)
    assert secret.reveal() == VALUE
    for text in (str(secret), repr(secret), f"{secret}", f"{secret!r:>20}", f"{[secret]}"):
        assert VALUE not in text
    assert f"{secret:>40}" == "***"


def test_references_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", VALUE)
    (tmp_path / "secret.txt").write_text(f"{VALUE}\r\n")
    assert read_secret("env:A_SECRET", "x").reveal() == VALUE
    assert read_secret("file:secret.txt", "x", tmp_path).reveal() == VALUE


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            "env:NOT_SET",
            "headrace.toml: client_secret: the variable NOT_SET is not set; set it to the secret",
        ),
        (
            "file:nowhere",
            "headrace.toml: client_secret: the file nowhere cannot be read; expected a secret",
        ),
        *(
            (reference, NO_REFERENCE)
            for reference in (VALUE, "", "env:", "file:", f"vault:{VALUE}")
        ),
    ],
)
def test_what_is_no_reference_is_refused_without_being_shown(
    reference: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        read_secret(reference, "headrace.toml: client_secret", tmp_path)
    assert str(caught.value) == message
    assert VALUE not in "".join(traceback.format_exception(caught.value))
