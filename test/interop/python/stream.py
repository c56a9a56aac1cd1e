"""A stream: two directions of bytes that end separately, each with its credit. docs/protocol.md §3 and §4."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Sequence, Tuple, Union

from numbers_of_the_wire import CREDIT, CREDIT_EXCEEDED, DATA, END, HEAD, MAX_NUMBER, NORMAL, PROTOCOL, RESET, WINDOW
from protobuf import Message, field, present

if TYPE_CHECKING:
    from session import Session

Headers = Sequence[Tuple[str, Union[str, bytes]]]


class Ended(Exception):
    """A stream or a session ended otherwise than by End. `remote` tells who said so."""

    def __init__(self, reason: int, message: str, remote: bool = False):
        super().__init__(f"reason {reason}: {message}")
        self.reason, self.message, self.remote = reason, message, remote


def write_headers(number: int, headers: Headers) -> bytes:
    pairs = (
        field(1, name) + (field(3, value) if isinstance(value, bytes) else field(2, value)) for name, value in headers
    )
    return b"".join(present(number, pair) for pair in pairs)


def read_headers(message: Message, number: int) -> Headers:
    read = [Message(data) for data in message.all_bytes(number)]
    return [(one.text(1), one.bytes(3) if one.has(3) else one.text(2)) for one in read]


class Stream:
    """One conversation. Whoever reads gives credit by it; whoever writes waits for credit."""

    def __init__(self, session: Session, number: int, ours: bool, credit: int):
        self.session, self.number, self.ours = session, number, ours
        self.priority = NORMAL
        self.send_credit = credit
        self.receive_credit, self.owed = WINDOW, 0
        self.arrived: deque[bytes] = deque()
        # Bytes of data that ever came, read or not.
        self.received = 0
        self.status, self.headers, self.trailers = 0, [], []
        # Who has said what: heads and ends of both directions.
        self.head_seen = self.they_ended = self.we_ended = False
        self.cut: Ended | None = None
        self.news = asyncio.Event()

    async def changed(self) -> None:
        self.news.clear()
        await self.news.wait()

    async def headed(self) -> None:
        """Resolves when the acceptor has said yes."""
        while not self.head_seen:
            if self.cut:
                raise self.cut
            await self.changed()

    async def read(self) -> bytes:
        """The next bytes; none when the other's direction has ended. Raises Ended when it was cut."""
        while not self.arrived:
            if self.cut:
                raise self.cut
            if self.they_ended:
                return b""
            await self.changed()
        data = self.arrived.popleft()
        self.owed += len(data)
        if self.owed >= WINDOW // 4 and not self.they_ended and not self.cut:
            self.session.send(self.number, CREDIT, field(1, self.owed))
            self.receive_credit += self.owed
            self.owed = 0
        return data

    async def write(self, data: bytes) -> None:
        """Resolves when all of it was sent."""
        at = 0
        while at < len(data):
            if self.cut:
                raise self.cut
            if self.send_credit == 0:
                await self.changed()
                continue
            piece = data[at : at + min(self.send_credit, self.session.max_data)]
            self.send_credit -= len(piece)
            at += len(piece)
            self.session.send(self.number, DATA, piece)
            # All that write wait here, and so take turns.
            await self.session.drained()

    def head(self, headers: Headers = ()) -> None:
        """Accepts a stream that the other end has opened."""
        if not self.cut:
            self.head_seen = True
            self.session.send(self.number, HEAD, write_headers(2, headers))

    def end(self, trailers: Headers = ()) -> None:
        if not self.cut and not self.we_ended:
            self.we_ended = True
            self.session.send(self.number, END, write_headers(1, trailers))
            self.session.forget_if_over(self)

    def reset(self, reason: int, message: str) -> None:
        if not self.cut and not (self.we_ended and self.they_ended):
            self.session.send(self.number, RESET, field(1, reason) + field(2, message))
            self.finish(Ended(reason, message))

    def finish(self, error: Ended) -> None:
        self.cut = self.cut or error
        self.arrived.clear()
        self.session.streams.pop(self.number, None)
        self.news.set()

    def take(self, kind: int, body: bytes) -> None:
        """What came for this stream. Raises Ended when the other end broke a rule, by which the stream is reset."""
        if kind == DATA:
            self.receive_credit -= len(body)
            self.received += len(body)
            if self.they_ended or (self.ours and not self.head_seen):
                raise Ended(PROTOCOL, "data where none may come")
            if self.receive_credit < 0:
                raise Ended(CREDIT_EXCEEDED, "more data than there was credit for")
            self.arrived.append(body)
            self.news.set()
            return
        message = Message(body)
        if kind == CREDIT:
            self.send_credit += message.int(1)
            if self.send_credit > MAX_NUMBER:
                raise Ended(PROTOCOL, "credit without end")
        elif kind == HEAD:
            if not self.ours or self.head_seen:
                raise Ended(PROTOCOL, "a Head where none may come")
            self.head_seen = True
            self.status, self.headers = message.int(1), read_headers(message, 2)
        elif kind == END:
            if self.they_ended or (self.ours and not self.head_seen):
                raise Ended(PROTOCOL, "an End where none may come")
            self.they_ended, self.trailers = True, read_headers(message, 1)
            self.session.forget_if_over(self)
        elif kind == RESET:
            self.finish(Ended(message.int(1), message.text(2), remote=True))
        self.news.set()
