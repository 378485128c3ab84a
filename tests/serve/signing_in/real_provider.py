"""A real OpenID provider: that of oidc-provider-mock, without what it says of its own parts."""

from __future__ import annotations

import warnings

with warnings.catch_warnings(record=True):
    # It is made of parts of Authlib that Authlib is about to replace.
    from oidc_provider_mock import User, run_server_in_thread  # type: ignore[import-untyped]

__all__ = ["User", "run_server_in_thread"]
