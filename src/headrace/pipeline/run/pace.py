"""How a run goes about its work: how much it does at once, and how it waits between attempts."""

from __future__ import annotations

from dataclasses import dataclass, field

from headrace.base.clock import Pauses, SystemPauses


@dataclass(frozen=True, slots=True)
class Pace:
    """What tests make small and short. What is stored is kept, however the run ends.

    Attributes:
        rows_at_once: of the inputs of a partitioned model, before what is built is stored. Rows in
            flight must find room; but each query costs milliseconds, and a file of its own.
        seconds_at_once: of a model whose partitions are made one by one, likewise: one that calls
            an API has few rows, and each is dear.
        pauses: lets the time pass between two attempts.
    """

    rows_at_once: int = 20_000_000
    seconds_at_once: float = 30.0
    pauses: Pauses = field(default_factory=SystemPauses)
