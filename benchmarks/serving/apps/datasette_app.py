"""Datasette as an application, so that the same fast uvicorn runs it, without an access log."""

from __future__ import annotations

import json
import os

from datasette.app import Datasette  # type: ignore[import-not-found, unused-ignore]

app = Datasette(
    immutables=[os.environ["BENCH_FILE"]], metadata=json.loads(os.environ["BENCH_METADATA"])
).app()
