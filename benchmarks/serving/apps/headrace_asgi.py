"""headrace as an ASGI application under a server of one's own, as its documentation shows it."""

from __future__ import annotations

import os
from pathlib import Path

from headrace.serve import create_app
from headrace.store.store import Store

app = create_app(Store.open(Path(os.environ["BENCH_STORE"])), "prod")
