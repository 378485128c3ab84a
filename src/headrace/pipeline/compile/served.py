"""Who may call what: takes declarations and settings, gives access, and what nobody may call."""

from __future__ import annotations

from headrace.base.access import NOBODY, Access
from headrace.base.declarations import Endpoint, Project, Router, Settings


def access_of(declared: Endpoint | Router, settings: Settings) -> Access:
    """Who may call an endpoint or a router: as it says, else as the settings say, else nobody."""
    return declared.access or settings.default_access or NOBODY


def not_served(project: Project) -> tuple[Endpoint | Router, ...]:
    """The endpoints and routers that nobody may call, by place: they are in no manifest."""
    declared: tuple[Endpoint | Router, ...] = (*project.endpoints, *project.routers)
    left = [each for each in declared if access_of(each, project.settings) == NOBODY]
    return tuple(sorted(left, key=lambda each: each.place))
