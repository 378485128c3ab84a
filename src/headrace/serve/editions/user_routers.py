"""The user's routers: takes the Python files of a manifest, gives a FastAPI application.

Every snapshot's files get a package name of their own, so that the code of two snapshots can be
in memory at once: requests that began on the old one end on the old one.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.machinery import ModuleSpec
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeAlias

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from headrace.base.access import Access, Principal
from headrace.base.errors import UsageError
from headrace.serve.answering.answers import Answer
from headrace.serve.answering.problems import (
    ParameterError,
    internal,
    not_found,
    parameter_problem,
    problem,
)
from headrace.store.snapshots import Manifest, PythonModule

Json: TypeAlias = "dict[str, object]"

INSTANCE_KEY = "headrace.instance"
_PACKAGES = count(1)


class CodeStore(Protocol):
    """Where the text of a manifest's Python files is."""

    def get_object(self, address: str) -> bytes:
        """The text that `address` names."""
        ...


@dataclass(frozen=True, slots=True)
class UserCode:
    """The imported files of one snapshot; `application` is None when there is no router.

    `routes` are the application's, each with who may ask.
    """

    application: FastAPI | None
    package: str = ""
    folder: Path | None = None
    routes: list[tuple[BaseRoute, Access]] = field(default_factory=list)

    def access(self, scope: Scope) -> Access | None:
        """Who may send a request; None when no route has its path."""
        whole: Access | None = None
        by_path: Access | None = None
        # Each is looked at, whichever matches: time must not tell what there is.
        for route, access in self.routes:
            match, _ = route.matches(scope)
            if match == Match.FULL:
                whole = whole or access
            elif match == Match.PARTIAL:
                by_path = by_path or access
        return whole or by_path

    def described(
        self, principal: Principal, guarded: Callable[[Access, Json], Json]
    ) -> Json | None:
        """What FastAPI says of the routes that somebody may ask; None without any router.

        Args:
            principal: who is told.
            guarded: gives the operations of a path with the credential that they need.
        """
        if self.application is None:
            return None
        paths: Json = {}
        schemas: Json = {}
        for route, access in self.routes:
            if access.allows(principal):
                document = get_openapi(title="", version="", routes=[route])
                schemas |= document.get("components", {}).get("schemas", {})
                for path, operations in document.get("paths", {}).items():
                    # Of two routers with one path, the first answers.
                    was = paths.get(path)
                    new = guarded(access, operations)
                    paths[path] = {**new, **was} if isinstance(was, dict) else new
        return {"paths": paths, "components": {"schemas": schemas}}

    def include(self, router: APIRouter, access: Access) -> None:
        """Have the routes of one file, for those who may ask."""
        assert self.application is not None, "there is an application where there is a router"
        known = len(self.application.router.routes)
        self.application.include_router(router)
        self.routes.extend((each, access) for each in self.application.router.routes[known:])

    def close(self) -> None:
        """Forget the modules and remove the files."""
        _forget(self.package)
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def load_user_code(store: CodeStore, manifest: Manifest) -> UserCode:
    """Import the manifest's Python files and put their routers into an application.

    A file imports another one of the project relatively: `from .prices import rounded`.

    Raises:
        UsageError: a file's `router` is no APIRouter, or its path leaves the project.
        Exception: whatever a file raises when it is imported.
    """
    if not any(module.router for module in manifest.modules):
        return UserCode(None)
    package = f"_headrace_snapshot_{next(_PACKAGES)}"
    folder = Path(tempfile.mkdtemp(prefix="headrace-"))
    code = UserCode(_application(manifest.project), package, folder)
    try:
        _write(store, manifest, folder)
        _register(package, folder)
        for module in manifest.modules:
            if module.router and code.application is not None:
                code.include(_router(package, module), module.access)
    except BaseException:
        code.close()
        raise
    return code


def _write(store: CodeStore, manifest: Manifest, folder: Path) -> None:
    for module in manifest.modules:
        path = PurePosixPath(module.path)
        if path.is_absolute() or ".." in path.parts or path.suffix != ".py":
            raise UsageError(
                f"{module.path}: it is no Python file inside the project; "
                "expected a relative path that ends in .py"
            )
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(store.get_object(module.object))


def _register(package: str, folder: Path) -> None:
    """Make `folder` a package: its folders and files are found beneath its name."""
    spec = ModuleSpec(package, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules[package] = importlib.util.module_from_spec(spec)


def _router(package: str, module: PythonModule) -> APIRouter:
    name = module.path.removesuffix(".py").replace("/", ".")
    router = getattr(importlib.import_module(f"{package}.{name}"), "router", None)
    if not isinstance(router, APIRouter):
        raise UsageError(
            f"{module.path}: `router` is {type(router).__name__}; expected a FastAPI APIRouter; "
            "write `router = APIRouter()`"
        )
    return router


def _forget(package: str) -> None:
    if package:
        for name in [each for each in sys.modules if each.partition(".")[0] == package]:
            del sys.modules[name]


def _application(title: str) -> FastAPI:
    """A FastAPI application that answers every failure as a problem, and serves no page."""
    application = FastAPI(
        title=title, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    application.add_exception_handler(RequestValidationError, _invalid)
    application.add_exception_handler(HTTPException, _refused)
    application.add_exception_handler(Exception, _failed)
    return application


def _invalid(_: Request, exc: Exception) -> Response:
    """422 without the input, which FastAPI's own handler sends back, and fails to encode."""
    assert isinstance(exc, RequestValidationError)
    errors = [
        ParameterError(
            parameter=_printable(".".join(str(part) for part in error["loc"])),
            found=str(error["type"]),
            expected=_printable(str(error["msg"])),
        )
        for error in exc.errors()
    ]
    return _response(parameter_problem(errors))


def _refused(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    if (exc.status_code, exc.detail) == (404, HTTPStatus.NOT_FOUND.phrase):
        return _response(not_found())
    headers = {
        name: value for name, value in (exc.headers or {}).items() if name.lower() != "content-type"
    }
    if exc.status_code in (204, 304):
        return Response(status_code=exc.status_code, headers=headers)
    return _response(problem(exc.status_code, _printable(str(exc.detail)), headers=headers))


def _failed(request: Request, exc: Exception) -> Response:  # noqa: ARG001 - Starlette passes it
    return _response(internal(request.scope[INSTANCE_KEY]))


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers))


def _printable(text: str) -> str:
    """A text that UTF-8 can hold: a client may have sent half a surrogate pair."""
    return text.encode("utf-8", "replace").decode()
