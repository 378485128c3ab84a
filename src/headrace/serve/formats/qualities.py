"""Reads what a client likes: takes such a header, gives each name in it with its quality."""

from __future__ import annotations

from collections.abc import Mapping


def qualities(header: str, aliases: Mapping[str, str]) -> dict[str, float]:
    """The names of an Accept or Accept-Encoding header, in lower case -> quality, 0 to 1.

    Args:
        header: its value; of a name that stands there twice, the last one counts.
        aliases: other spellings of a name -> the name.

    What has no quality has 1; a quality that is none counts as 0.
    """
    return dict(_named(part, aliases) for part in header.split(","))


def _named(text: str, aliases: Mapping[str, str]) -> tuple[str, float]:
    name, *options = (part.strip().lower() for part in text.split(";"))
    weights = [option[2:] for option in options if option.startswith("q=")]
    return aliases.get(name, name), _weight(weights[0]) if weights else 1.0


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
