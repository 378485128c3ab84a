"""The peers: programs that are given the same rows, and asked the same questions."""

from benchmarks.serving.peers.datasette import DATASETTE
from benchmarks.serving.peers.fastapi import FASTAPI, SQLALCHEMY
from benchmarks.serving.peers.peer import Peer, Premises, listening
from benchmarks.serving.peers.postgrest import POSTGREST
from benchmarks.serving.peers.roapi import ROAPI

PEERS: tuple[Peer, ...] = (FASTAPI, SQLALCHEMY, POSTGREST, DATASETTE, ROAPI)

__all__ = ["PEERS", "Peer", "Premises", "listening"]
