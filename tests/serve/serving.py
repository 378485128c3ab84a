"""A server on a real socket, in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from headrace.serve import ServeSettings, create_app
from headrace.serve.server.listening import Listening, listen
from headrace.serve.server.running import LameDuckServer, configured
from tests.serve.shop import Shop

QUICK = Listening(port=0, lame_duck_seconds=0.2, linger_seconds=0.05, grace_seconds=5)


class Started(LameDuckServer):
    """A server that says when it has begun to answer."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]  # passed through
        self.ready = threading.Event()
        self.ended = threading.Event()

    async def startup(self, sockets: object = None) -> None:
        await super().startup(sockets)  # type: ignore[arg-type]  # passed through
        self.ready.set()

    async def shutdown(self, sockets: object = None) -> None:
        await super().shutdown(sockets)  # type: ignore[arg-type]  # passed through
        self.ended.set()


@contextmanager
def serving(
    shop: Shop, settings: ServeSettings, servers: list[Started] | None = None
) -> Iterator[str]:
    """Serve a shop; gives the URL to ask, and adds the server to `servers`."""
    service = create_app(shop.store, "prod", settings)
    with listen(QUICK) as listener:
        started = Started(configured(service, QUICK), service, QUICK)
        if servers is not None:
            servers.append(started)
        thread = threading.Thread(target=started.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert started.ready.wait(10)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            started.should_exit = True
            thread.join()
