"""The log of a server: takes what its processes say, gives lines that name the process."""

from __future__ import annotations

import logging
import time

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s process %(process)d: %(message)s"


def log_to_stderr() -> None:
    """Write warnings and errors to stderr, and of the supervisor everything; times are in UTC."""
    formatter = logging.Formatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("headrace.serve.server.supervising").setLevel(logging.INFO)
