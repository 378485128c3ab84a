"""A whole server with its console, on a real socket, for a browser to visit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace.auth.accounts.accounts import Accounts
from headrace.base.auth_settings import AuthSettings
from headrace.console import Console
from headrace.serve import ServeSettings, Service, create_app
from headrace.serve.editions.watching import Watcher
from headrace.serve.server.listening import listen
from headrace.serve.server.running import configured
from headrace.serve.signing_in.face import SigningIn
from headrace.store.store import Store
from tests.serve.serving import QUICK, Started


@dataclass
class Open:
    """A server that answers; `url` is where."""

    url: str
    accounts: Accounts
    signing_in: SigningIn
    service: Service


@contextmanager
def console_of(store: Store, auth: AuthSettings, root: Path | None = None) -> Iterator[Open]:
    """Serve an environment `prod` with its console."""
    settings = ServeSettings(auth=auth, query_processes=False, project="shop", root=root)
    made: list[SigningIn] = []

    def pages(signing_in: SigningIn, watcher: Watcher) -> Console:
        made.append(signing_in)
        return Console(signing_in, watcher, "shop")

    service = create_app(store, "prod", settings, pages)
    [signing_in] = made
    accounts = signing_in.accounts
    with listen(QUICK) as listener:
        started = Started(configured(service, QUICK), service, QUICK)
        thread = threading.Thread(target=started.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert started.ready.wait(10)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            yield Open(url, accounts, signing_in, service)
        finally:
            started.should_exit = True
            thread.join()


def with_canaries(text: str) -> str:
    """A text that, put into a page as it is, would run, load or close something."""
    return f'{text}<img src=x onerror="canary=1"><script>canary=1</script>\'"</td>{{{{7*7}}}}'
