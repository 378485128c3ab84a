"""Says whether what failed is tried again: takes an error and attempts, gives yes or no, and when.

Only what may pass by itself is tried again. What is computed from the same rows by the same code
fails in the same way each time; and who has lost a race to publish must look at what won.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

import duckdb

from headrace.base.errors import ModelError, Retry, SourceError

_PASSING = frozenset({errno.EAGAIN, errno.EINTR, errno.EIO, errno.ESTALE, errno.ETIMEDOUT})
# DuckDB gives the system's words only, without the number.
_PASSING_TEXTS = tuple(os.strerror(number) for number in sorted(_PASSING))
_LONGEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often something is tried again, and after which waits.

    Attributes:
        retries: attempts after the first; 0 is none.
        wait_seconds: before the first of them. Each further wait is twice as long, but no longer
            than a minute, unless the first is.
    """

    retries: int
    wait_seconds: float

    @property
    def attempts(self) -> int:
        """The most attempts, with the first."""
        return self.retries + 1

    def seconds_after(self, attempt: int, chance: float) -> float:
        """How long to wait after an attempt that failed.

        Args:
            attempt: its number, from 1.
            chance: from 0 to 1, drawn anew for each wait: takes off up to half of it, so that
                those who failed together do not come again together.
        """
        longest = max(self.wait_seconds, _LONGEST_SECONDS)
        # Beyond 2^30 the longest wait has long been reached, and a float would overflow.
        return min(self.wait_seconds * 2.0 ** min(attempt - 1, 30), longest) * (1 - chance / 2)


def may_pass(exc: BaseException) -> bool:
    """Whether the same work may succeed when it is done again, although it raised `exc`."""
    match exc:
        case ExceptionGroup():
            return all(may_pass(each) for each in exc.exceptions)
        case SourceError() | ModelError():
            return exc.__cause__ is not None and may_pass(exc.__cause__)
        case duckdb.IOException():
            return any(text in str(exc) for text in _PASSING_TEXTS)
        case ConnectionError() | TimeoutError() | Retry():
            return True
        case OSError():
            return exc.errno in _PASSING
        case _:
            return False
