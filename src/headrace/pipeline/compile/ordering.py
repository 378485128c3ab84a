"""Puts tables in an order: takes who reads whom, gives the order and the circles in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from heapq import heapify, heappop, heappush


def build_order(inputs: Mapping[str, Collection[str]]) -> tuple[list[str], list[list[str]]]:
    """Tables so that each comes after its inputs, by name where that leaves a choice.

    Args:
        inputs: table -> the tables that it reads; every one of them is a key, too.

    Returns:
        The order, without the tables that are in a circle or behind one; and the circles, each
        from its first table by name along its readers.
    """
    order = _ordered(inputs, frozenset())
    circles: list[list[str]] = []
    settled = set(order)
    while stuck := sorted(inputs.keys() - settled):
        circle = _circle(inputs, stuck)
        circles.append(circle)
        settled |= set(circle)
        settled |= set(_ordered(inputs, settled))
    return order, circles


def _ordered(inputs: Mapping[str, Collection[str]], settled: Collection[str]) -> list[str]:
    """What can be built once `settled` is."""
    waiting = {name: set(inputs[name]) - set(settled) for name in inputs if name not in settled}
    readers: dict[str, list[str]] = {}
    for name, needed in waiting.items():
        for each in needed:
            readers.setdefault(each, []).append(name)
    ready = [name for name, needed in waiting.items() if not needed]
    heapify(ready)
    order: list[str] = []
    while ready:
        done = heappop(ready)
        order.append(done)
        for reader in readers.get(done, ()):
            waiting[reader].discard(done)
            if not waiting[reader]:
                heappush(ready, reader)
    return order


def _circle(inputs: Mapping[str, Collection[str]], stuck: list[str]) -> list[str]:
    """A circle among tables each of which waits for another of them."""
    waiting = set(stuck)
    path = [stuck[0]]
    while True:
        following = min(each for each in inputs[path[-1]] if each in waiting)
        if following in path:
            circle = path[path.index(following) :][::-1]
            first = circle.index(min(circle))
            return circle[first:] + circle[:first]
        path.append(following)
