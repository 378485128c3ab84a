"""Says a number of bytes in words: takes bytes, gives the text that people read."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(size_bytes: float) -> str:
    """Bytes in powers of 1,000.

    >>> size(0), size(999), size(1500), size(2_340_000_000)
    ('0 B', '999 B', '1.5 kB', '2.3 GB')
    """
    power = 0
    while size_bytes >= 999.95 and power < len(_UNITS) - 1:
        size_bytes /= 1000
        power += 1
    return f"{size_bytes:.1f} {_UNITS[power]}" if power else f"{size_bytes:.0f} B"
