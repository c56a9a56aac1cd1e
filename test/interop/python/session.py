"""A session: its streams, and what both ends have counted, which outlive the carriers that it is on. docs/protocol.md §1, §2, §7.

What counts is kept in the order in which it was sent until the other end has it, and only from there is it written to a carrier: so
a stream never learns on which one it is, or that there is none.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Callable

from numbers_of_the_wire import (
    ACK, ACK_BYTES, ACK_FRAME_BYTES, ACK_SECONDS, ANNOUNCE, CARRIERLESS_SECONDS, CLOSE, CREDIT, DATA, GOING_AWAY, GO_AWAY,
    MAX_DATA, MAX_STREAMS, NORMAL, OPEN, PROTOCOL, RESET, SESSION_LOST, TOO_MANY_STREAMS, UNSUPPORTED,
    UNSUPPORTED_KIND, WINDOW,
)  # fmt: skip
from protobuf import Message, field, present
from stream import Ended, Headers, Stream, write_headers

if TYPE_CHECKING:
    from part import Part


class Session:
    """What stands between two processes. `accept` is told of each stream that the other end opens, and must not wait."""

    def __init__(
        self, id: bytes, low: bool, hello: Message, resumable: bool, accept: Callable[[Stream, Message], None]
    ):
        self.id, self.low, self.resumable, self.accept = id, low, resumable, accept
        self.streams: dict[int, Stream] = {}
        self.next_number, self.last_of_theirs = (1 if low else 2), 0
        # Frames that count: sent, received, how many of those sent the other end says to have, and which are kept for it.
        self.sent = self.received = self.acknowledged = 0
        self.kept: deque[bytes] = deque()
        # How many of those sent the present carrier was given, or need not be given.
        self.written = 0
        self.part: Part | None = None
        # Whether what counts may be said on it; and whether it was before the other's first Resume.
        self.may_write = self.wrote_early = False
        # Nothing was heard of the other end in this session yet.
        self.young = True
        # Carriers that it went on at.
        self.resumes = 0
        self.expiry: asyncio.TimerHandle | None = None
        self.unacknowledged_bytes, self.ack_timer = 0, None
        limits = hello.message(4)
        # Some bytes of a frame are not data: its kind, its stream, lengths.
        self.max_data = min(MAX_DATA, (limits.int(1) or 131_072) - 32)
        self.max_streams, self.credit, self.announcement = limits.int(3) or 100, limits.int(4) or 4_096, 0
        self.going_away: Ended | None = None
        self.end: Ended | None = None
        # Kinds that the other end has said it does not know.
        self.refused_kinds: list[int] = []
        self.unknown_kinds: set[int] = set()
        self.news = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Resolves when it holds; looked at after each frame. Raises Ended when the session ended before."""
        while not condition():
            if self.end:
                raise self.end
            self.news.clear()
            await self.news.wait()

    async def drained(self) -> None:
        """Resolves when little waits to be written, so that all who write take turns."""
        await self.until(lambda: self.part is not None and self.may_write)
        try:
            if self.part:
                await self.part.carrier.drained()
        except ConnectionError:
            pass  # It is kept, and goes with the next carrier.

    def open_call(self, path: str, headers: Headers, priority: int = NORMAL) -> Stream:
        return self._open(present(1, field(1, path) + write_headers(2, headers)), priority)

    def dial(self, target: bytes, priority: int = NORMAL) -> Stream:
        return self._open(present(2, field(1, target)), priority)

    def _open(self, what: bytes, priority: int) -> Stream:
        if self.end or self.going_away:
            raise self.end or self.going_away
        if sum(stream.ours for stream in self.streams.values()) >= self.max_streams:
            raise Ended(TOO_MANY_STREAMS, "more streams than the other end takes")
        stream = Stream(self, self.next_number, True, self.credit)
        self.next_number += 2
        self.streams[stream.number] = stream
        self.send(stream.number, OPEN, what + field(3, priority) + field(4, WINDOW) + field(5, self.announcement))
        return stream

    def send(self, stream: int, kind: int, body: bytes) -> None:
        """Says a kind that counts, on this carrier or the next."""
        if self.end:
            return
        self.sent += 1
        self.kept.append(field(1, stream) + present(kind, body))
        self.pump()

    def pump(self) -> None:
        while self.part and self.may_write and self.written < self.sent:
            self.part.write(self.kept[self.written - self.acknowledged])
            self.written += 1

    def close(self, reason: int, message: str) -> None:
        if self.part:
            self.part.say(CLOSE, field(1, reason) + field(2, message))
        self.finish(Ended(reason, message))

    def finish(self, end: Ended) -> None:
        if self.end:
            return
        self.end = end
        for timer in (self.ack_timer, self.expiry):
            if timer:
                timer.cancel()
        if self.part:
            self.part.stop(end)
        for stream in list(self.streams.values()):
            stream.finish(end)
        self.kept.clear()
        self.news.set()

    def forget_if_over(self, stream: Stream) -> None:
        if stream.we_ended and stream.they_ended:
            self.streams.pop(stream.number, None)

    # ---- carriers ----

    def attach(self, part: Part, early: bool) -> None:
        """Goes on at this carrier. The older one is detached before Resume is said here."""
        older, self.part = self.part, None
        if older and older is not part:
            older.detach()
        for timer in (self.ack_timer, self.expiry):
            if timer:
                timer.cancel()
        self.ack_timer = self.expiry = None
        self.unacknowledged_bytes = 0
        self.part, self.may_write, self.wrote_early = part, early, early
        self.news.set()

    def resumed(self, received: int) -> None:
        """The other end has so many: what comes behind them is said again, to the byte, before anything new."""
        if received < self.acknowledged:
            raise Ended(PROTOCOL, "the other end has less than it had")
        self.acknowledge(received)
        if not self.wrote_early:
            self.written = received
            self.resumes += 1
        self.young, self.may_write = False, True
        self.pump()
        self.news.set()

    def leave(self, part: Part, why: Ended) -> None:
        """The carrier is gone."""
        if part is not self.part or self.end:
            return
        self.part, self.may_write = None, False
        self.news.set()
        if not self.resumable:
            self.finish(why)
            return
        lost = Ended(SESSION_LOST, f"{why.message}, and no other carrier came")
        self.expiry = asyncio.get_running_loop().call_later(CARRIERLESS_SECONDS, self.finish, lost)

    def lose(self) -> None:
        """The other end does not hold it any more."""
        if self.part:
            self.part.detach()
        self.finish(Ended(SESSION_LOST, "the other end does not know the session", remote=True))

    def acknowledge(self, received: int) -> None:
        if received > self.sent:
            raise Ended(PROTOCOL, "an Ack of what was never sent")
        while self.acknowledged < received:
            self.kept.popleft()
            self.acknowledged += 1

    # ---- what comes ----

    def frame(self, stream: int, kind: int, message: Message, length: int) -> None:
        if 3 <= kind <= 15 or 32 <= kind <= 47:
            self._count(length)
        if OPEN <= kind <= RESET or kind in (DATA, CREDIT):
            if stream == 0:
                raise Ended(PROTOCOL, "a kind of a stream on no stream")
            self._stream_frame(stream, kind, message.bytes(kind))
        elif kind in (ACK, CLOSE) or GO_AWAY <= kind <= UNSUPPORTED_KIND:
            if stream != 0:
                raise Ended(PROTOCOL, "a kind of the session on a stream")
            self._session_frame(kind, message.message(kind))
        elif stream in self.streams and (kind < 16 or kind >= 48) and kind != 0:
            self.streams[stream].reset(UNSUPPORTED, f"frames of kind {kind} are not known here")
        elif kind not in self.unknown_kinds and len(self.unknown_kinds) < 32:
            self.unknown_kinds.add(kind)
            self.send(0, UNSUPPORTED_KIND, field(1, kind))

    def _stream_frame(self, number: int, kind: int, body: bytes) -> None:
        if kind == DATA and not body:
            raise Ended(PROTOCOL, "data without a byte")
        ours = number % 2 == self.next_number % 2
        if kind == OPEN:
            if ours or number <= self.last_of_theirs:
                raise Ended(PROTOCOL, f"stream {number} may not be opened")
            self.last_of_theirs = number
            opened = Message(body)
            stream = Stream(self, number, False, opened.int(4))
            self.streams[number] = stream
            if sum(not one.ours for one in self.streams.values()) > MAX_STREAMS:
                stream.reset(TOO_MANY_STREAMS, "more streams than were announced")
            elif not opened.has(1) and not opened.has(2):
                stream.reset(UNSUPPORTED, "what is asked is not known here")
            else:
                self.accept(stream, opened)
            return
        if number > (self.next_number - 2 if ours else self.last_of_theirs):
            raise Ended(PROTOCOL, f"stream {number} was never opened")
        stream = self.streams.get(number)
        if stream is None:
            return  # It crossed with the end of it.
        try:
            stream.take(kind, body)
        except Ended as error:
            stream.reset(error.reason, error.message)

    def _session_frame(self, kind: int, message: Message) -> None:
        if kind == ACK:
            # One that crossed with a Resume may say less than that did.
            self.acknowledge(message.int(1))
        elif kind == CLOSE:
            self.finish(Ended(message.int(1), message.text(2), remote=True))
        elif kind == GO_AWAY:
            self.going_away = Ended(GOING_AWAY, message.text(2), remote=True)
            for stream in [one for one in self.streams.values() if one.ours and one.number > message.int(3)]:
                stream.finish(self.going_away)
            self._acknowledge()
        elif kind == ANNOUNCE:
            self.announcement, self.credit = message.int(1), message.int(2)
            self.max_streams = message.int(3) or self.max_streams
        elif kind == UNSUPPORTED_KIND:
            self.refused_kinds.append(message.int(1))

    # ---- counting ----

    def _count(self, length: int) -> None:
        self.received += 1
        self.unacknowledged_bytes += length + ACK_FRAME_BYTES
        if self.going_away or self.unacknowledged_bytes >= ACK_BYTES:
            self._acknowledge()
        elif not self.ack_timer:
            self.ack_timer = asyncio.get_running_loop().call_later(ACK_SECONDS, self._acknowledge)

    def _acknowledge(self) -> None:
        if self.ack_timer:
            self.ack_timer.cancel()
        self.ack_timer, self.unacknowledged_bytes = None, 0
        if self.part:
            self.part.say(ACK, field(1, self.received))
