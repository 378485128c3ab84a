"""Shares out a run's memory: lets work go on side by side, and alone what finds no room."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import duckdb

T = TypeVar("T")


class Room:
    """The one memory of all that works at the same time. What needs more of it works alone."""

    def __init__(self) -> None:
        """A room in which nobody works."""
        self._changed = threading.Condition()
        self._working = 0
        self._waiting = 0

    def work(self, act: Callable[[], T]) -> T:
        """Do something beside others; if the memory is not enough, do it again alone.

        Raises:
            duckdb.OutOfMemoryException: it is not enough either when nothing else works.
        """
        try:
            with self.beside():
                return act()
        except duckdb.OutOfMemoryException:
            with self.alone():
                return act()

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Work beside others, once nobody wants to be alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting)
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Work while nobody else does."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._working)
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._waiting -= 1
                self._changed.notify_all()
