"""What one process remembers of its carriers to one peer: docs/protocol.md §2."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from session import Session


class Memory:
    """Lives as long as the process, so that no carrier of the past can come after one of the present."""

    def __init__(self, low: bool, instance: bytes):
        self.low, self.instance = low, instance
        # The number of the highest carrier that was taken, and of the latest that was given.
        self.highest = self.numbered = 0
        # By the instance of the other end's process.
        self.sessions: dict[bytes, Session] = {}
        # Sessions that were held: they must not begin again. Few enough in a test to remember all.
        self.held: set[bytes] = set()

    def number(self) -> int:
        """Of the next carrier, which the low end gives: above all before, and those of earlier processes."""
        self.numbered = max(int(time.time() * 1000), self.numbered + 1)
        return self.numbered

    def takes(self, number: int) -> bool:
        """Whether the carrier with this number counts; it is the highest one from then on."""
        if number <= self.highest:
            return False
        self.highest = number
        return True

    def find(self, instance: bytes) -> Session | None:
        session = self.sessions.get(instance)
        return None if session is None or session.end else session

    def has_ended(self, id: bytes) -> bool:
        return id in self.held and all(session.end or session.id != id for session in self.sessions.values())

    def hold(self, session: Session, instance: bytes) -> None:
        before = self.find(instance)
        self.held.add(session.id)
        self.sessions[instance] = session
        if before is not None and before is not session:
            before.lose()
