"""Whether a password is among those that are tried first: takes it, says what gives it away.

It is a rule over a short list of words, common_words.txt, and not a list of leaked passwords: what
people make of a word (`P4ssw0rd!`, `Summer2024`, `monkey123`), keys beside each other, repetitions
and short numbers.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "012345678901234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "qsdfghjklm",
    "zxcvbnm",
    "yxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "!@#$%^&*()",
)
_SWAPPED = str.maketrans("013457@$!|", "oieastasil")
_WEAK_DIGITS = 12
_COUNTED = re.compile(r"(?:19|20)\d\d|0?12345?6?7?8?9?0?|9?8?7?6?5?4321?0?")
_ADDED_CHARACTERS = 6
_RUN = 3
_MOST_WORDS = 3
_OTHERS = 2


def what_is_common(password: str, names: tuple[str, ...] = ()) -> str:
    """What makes a password one of the first to be tried; "" for one that is not.

    Args:
        password: in any case.
        names: further words that say nothing here, such as that of the account.
    """
    folded = password.casefold()
    words = _words() | {name.casefold() for name in names if name}
    if _repeats(folded):
        return "it repeats itself"
    if folded.isdecimal() and len(folded) < _WEAK_DIGITS:
        return "it is a short number"
    if _is_along_rows(folded):
        return "its keys are beside each other"
    # Digits that nobody has to think of make a password no better.
    if any(_is_words(stem, words) for stem in _stems(folded) | _stems(_COUNTED.sub("", folded))):
        return "it is a common word or name, or made of one"
    return ""


@functools.cache
def _words() -> frozenset[str]:
    path = Path(__file__).with_name("common_words.txt")
    return frozenset(path.read_text(encoding="ascii").split())


def _repeats(text: str) -> bool:
    """Whether a text is one short piece again and again: a third of it, or four characters."""
    length = len(text)
    sizes = range(1, max(length // 3, 4) + 1)
    return any((text[:size] * (length // size + 1))[:length] == text for size in sizes)


def _is_along_rows(text: str) -> bool:
    """Whether a text, but for two characters, is runs of three keys or more along rows."""
    at = others = 0
    while at < len(text) and others <= _OTHERS:
        longest = max(_run(text, at, row) for row in (*_ROWS, *(row[::-1] for row in _ROWS)))
        others += 0 if longest >= _RUN else 1
        at += longest if longest >= _RUN else 1
    return others <= _OTHERS


def _run(text: str, at: int, row: str) -> int:
    length = 0
    while at + length < len(text) and text[at : at + length + 1] in row:
        length += 1
    return length


def _stems(folded: str) -> set[str]:
    """What is left of a text without some digits and signs around it, as written and as meant."""
    found = set()
    for spelled in (folded, folded.translate(_SWAPPED)):
        match = re.fullmatch(r"([\W\d_]*)(.*?)([\W\d_]*)", spelled, re.DOTALL)
        bare = re.sub(r"[\W\d_]+", "", folded.strip("0123456789!.?*#$@_-+ ").translate(_SWAPPED))
        if match is not None and len(match[1]) + len(match[3]) <= _ADDED_CHARACTERS:
            found.add(match[2])
        if len(folded) - len(bare) <= _ADDED_CHARACTERS:
            found.add(bare)
    return found - {""}


def _is_words(stem: str, words: frozenset[str], most: int = _MOST_WORDS) -> bool:
    """Whether a text is one of the words, or at most so many of them."""
    if stem in words:
        return True
    cuts = range(1, len(stem)) if most > 1 else range(0)
    return any(stem[:cut] in words and _is_words(stem[cut:], words, most - 1) for cut in cuts)
