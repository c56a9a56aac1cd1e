"""A session: frames, Hello, liveness, the end. docs/protocol.md §1, §2, §6 and §7.

A session lasts as long as its carrier here. What resuming will need is kept apart already: how many frames that count
were sent and received (`sent`, `received`, `acknowledged`) belongs to the session, bytes belong to the carrier.
"""

from __future__ import annotations

import asyncio
import os
from typing import Callable

from carrier import Carrier, Lost
from numbers_of_the_wire import (
    ACK, ACK_BYTES, ACK_SECONDS, ANNOUNCE, CARRIER_LOST, CLOSE, CREDIT, DATA, FRAME_TOO_LARGE, GOING_AWAY, GO_AWAY,
    HELLO, HELLO_TIMEOUT, MALFORMED, MAX_DATA, MAX_FRAME, MAX_HEADERS, MAX_NUMBER, MAX_STREAMS, NORMAL, OPEN, PING,
    PING_SECONDS, PONG, PROTOCOL, RESET, SILENCE_SECONDS, SILENT, TOO_MANY_STREAMS, UNSUPPORTED, UNSUPPORTED_KIND,
    WINDOW,
)
from protobuf import Malformed, Message, field, present, take_varint, varint
from stream import Ended, Headers, Stream, write_headers


class Session:
    """What stands between two ends. `accept` is told of each stream that the other end opens, and must not wait."""

    def __init__(self, carrier: Carrier, low: bool, instance: bytes, accept: Callable[[Stream, Message], None]):
        self.carrier, self.low, self.accept = carrier, low, accept
        self.streams: dict[int, Stream] = {}
        self.next_number, self.last_of_theirs = (1 if low else 2), 0
        # Frames that count: sent, received, and how many of those sent the other end says to have.
        self.sent = self.received = self.acknowledged = 0
        self.unacknowledged_bytes, self.ack_timer = 0, None
        self.hello: Message | None = None
        self.id = os.urandom(16) if low else b""
        self.max_data, self.max_streams, self.credit, self.announcement = MAX_DATA, 0, 0, 0
        self.going_away: Ended | None = None
        self.end: Ended | None = None
        # Kinds that the other end has said it does not know.
        self.refused_kinds: list[int] = []
        self.unknown_kinds: set[int] = set()
        self.pongs: dict[int, asyncio.Event] = {}
        self.pings_answered = 0
        self.heard_at = asyncio.get_running_loop().time()
        self.news = asyncio.Event()
        limits = field(1, MAX_FRAME) + field(2, MAX_HEADERS) + field(3, MAX_STREAMS) + field(4, WINDOW)
        hello = field(1, instance) + field(2, "python") + field(4, limits)
        self.send(0, HELLO, hello + (field(5, self.id) + field(7, 1) if low else b""))
        self.tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._watch())]

    async def up(self) -> None:
        """Resolves when the other's Hello has come."""
        await self.until(lambda: self.hello is not None)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Resolves when it holds; looked at after each frame. Raises Ended when the session ended before."""
        while not condition():
            if self.end:
                raise self.end
            self.news.clear()
            await self.news.wait()

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

    async def ping(self) -> float:
        """Seconds until the Pong."""
        loop = asyncio.get_running_loop()
        number, started = int.from_bytes(os.urandom(4), "big"), loop.time()
        self.pongs[number] = asyncio.Event()
        self.send(0, PING, field(1, number))
        await self.pongs[number].wait()
        return loop.time() - started

    def send(self, stream: int, kind: int, body: bytes) -> None:
        if self.end:
            return
        frame = field(1, stream) + present(kind, body)
        if 3 <= kind <= 15 or 32 <= kind <= 47:
            self.sent += 1
        self.carrier.write(varint(len(frame)) + frame)

    def close(self, reason: int, message: str) -> None:
        self.send(0, CLOSE, field(1, reason) + field(2, message))
        self._finish(Ended(reason, message))

    def _finish(self, end: Ended) -> None:
        if self.end:
            return
        self.end = end
        for task in self.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        if self.ack_timer:
            self.ack_timer.cancel()
        self.carrier.close()
        for stream in list(self.streams.values()):
            stream.finish(end)
        self.news.set()

    def forget_if_over(self, stream: Stream) -> None:
        if stream.we_ended and stream.they_ended:
            self.streams.pop(stream.number, None)

    # ---- what comes ----

    async def _read(self) -> None:
        buffer = bytearray()
        try:
            while data := await self.carrier.read():
                self.heard_at = asyncio.get_running_loop().time()
                buffer += data
                while not self.end and self._take_frame(buffer):
                    pass
                self.news.set()
            self._finish(Ended(CARRIER_LOST, "the carrier ended without a word", remote=True))
        except (Lost, ConnectionError) as error:
            self._finish(Ended(CARRIER_LOST, str(error), remote=True))
        except Malformed as error:
            self.close(MALFORMED, str(error))
        except Ended as error:
            self.close(error.reason, error.message)

    def _take_frame(self, buffer: bytearray) -> bool:
        """Takes one frame from the front; false when not all of it has come."""
        for at in range(min(len(buffer), 6)):
            if at == 5:
                raise Malformed("a length prefix of more than five bytes")
            if buffer[at] < 0x80:
                break
        else:
            return False
        length, start = take_varint(buffer, 0)
        if length > MAX_FRAME:
            raise Ended(FRAME_TOO_LARGE, f"a frame of {length} bytes")
        if len(buffer) < start + length:
            return False
        frame = bytes(buffer[start : start + length])
        del buffer[: start + length]
        self._frame(frame)
        return True

    def _frame(self, frame: bytes) -> None:
        message = Message(frame)
        stream = message.int(1)
        kinds = [number for number in message.fields if 3 <= number <= 63] or [0]
        kind = kinds[-1]
        if stream > MAX_NUMBER:
            raise Malformed("a stream number that is too high")
        if (self.hello is None) != (kind == HELLO) or (kind == HELLO and stream != 0):
            raise Ended(PROTOCOL, "a Hello is the first frame, and only the first")
        if 3 <= kind <= 15 or 32 <= kind <= 47:
            self._count(len(frame))
        if OPEN <= kind <= RESET or kind in (DATA, CREDIT):
            if stream == 0:
                raise Ended(PROTOCOL, "a kind of a stream on no stream")
            self._stream_frame(stream, kind, message.bytes(kind))
        elif HELLO <= kind <= CLOSE or GO_AWAY <= kind <= UNSUPPORTED_KIND:
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
        if kind == HELLO:
            self._hello(message)
        elif kind == ACK:
            if not self.acknowledged <= message.int(1) <= self.sent:
                raise Ended(PROTOCOL, "an Ack of what was never sent")
            self.acknowledged = message.int(1)
        elif kind == PING:
            self.pings_answered += 1
            self.send(0, PONG, field(1, message.int(1)))
        elif kind == PONG:
            if waiting := self.pongs.pop(message.int(1), None):
                waiting.set()
        elif kind == CLOSE:
            self._finish(Ended(message.int(1), message.text(2), remote=True))
        elif kind == GO_AWAY:
            self.going_away = Ended(GOING_AWAY, message.text(2), remote=True)
            for stream in [one for one in self.streams.values() if one.ours and one.number > message.int(3)]:
                stream.finish(self.going_away)
        elif kind == ANNOUNCE:
            self.announcement, self.credit = message.int(1), message.int(2)
            self.max_streams = message.int(3) or self.max_streams
        elif kind == UNSUPPORTED_KIND:
            self.refused_kinds.append(message.int(1))
        else:
            raise Ended(PROTOCOL, "no session is resumed here")

    def _hello(self, hello: Message) -> None:
        if len(hello.bytes(1)) != 16:
            raise Ended(PROTOCOL, "an instance id is 16 bytes")
        if self.low and (hello.bytes(5) or hello.int(7)):
            raise Ended(PROTOCOL, "both take themselves for the low end")
        if not self.low and (len(hello.bytes(5)) != 16 or hello.int(7) == 0):
            raise Ended(PROTOCOL, "the low end has given no session or no carrier")
        limits = hello.message(4)
        if (limits.int(1) or 131_072) < 16_384:
            raise Ended(PROTOCOL, "too short frames")
        # Some bytes of a frame are not data: its kind, its stream, lengths.
        self.max_data = min(MAX_DATA, (limits.int(1) or 131_072) - 32)
        self.max_streams, self.credit = limits.int(3) or 100, limits.int(4) or 4_096
        self.id = self.id or hello.bytes(5)
        self.hello = hello

    # ---- counting and liveness ----

    def _count(self, length: int) -> None:
        self.received += 1
        self.unacknowledged_bytes += length
        if self.unacknowledged_bytes >= ACK_BYTES:
            self._acknowledge()
        elif not self.ack_timer:
            self.ack_timer = asyncio.get_running_loop().call_later(ACK_SECONDS, self._acknowledge)

    def _acknowledge(self) -> None:
        if self.ack_timer:
            self.ack_timer.cancel()
        self.ack_timer, self.unacknowledged_bytes = None, 0
        self.send(0, ACK, field(1, self.received))

    async def _watch(self) -> None:
        """Gives up who says no Hello, asks who is quiet, and gives up who is silent."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(10)
        if self.hello is None:
            self.close(HELLO_TIMEOUT, "no Hello came")
        while not self.end:
            quiet = loop.time() - self.heard_at
            if quiet >= SILENCE_SECONDS:
                self.close(SILENT, "nothing was heard for too long")
            elif quiet >= PING_SECONDS:
                self.send(0, PING, field(1, 1))
            await asyncio.sleep(PING_SECONDS / 3)
