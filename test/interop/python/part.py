"""One end's part in one carrier: Hello, then which session the carrier is for, then that session's frames, until it or the
carrier ends. docs/protocol.md §1, §2, §6 and §7.
"""

from __future__ import annotations

import asyncio
import os
from typing import Callable

from carrier import Carrier, Lost
from memory import Memory
from numbers_of_the_wire import (
    CLOSE, DETACH, FRAME_TOO_LARGE, HELLO, HELLO_SECONDS, HELLO_TIMEOUT, MALFORMED, MAX_FRAME, MAX_HEADERS, MAX_NUMBER, MAX_STREAMS,
    PING, PING_SECONDS, PONG, PROTOCOL, REPLACED, RESUME, SILENCE_SECONDS, SILENT, STALLED, STALLED_SECONDS, WINDOW, CARRIER_LOST,
)  # fmt: skip
from protobuf import Malformed, Message, field, present, take_varint, varint
from session import Session
from stream import Ended, Stream

FEATURE = "resume"


class Part:
    """`accept` is told of each stream that the other end opens in a session that begins here, and must not wait."""

    def __init__(self, carrier: Carrier, memory: Memory, accept: Callable[[Stream, Message], None], resumes: bool = True):
        self.carrier, self.memory, self.accept, self.resumes = carrier, memory, accept, resumes
        self.number = memory.number() if memory.low else 0
        self.hello: Message | None = None
        self.session: Session | None = None
        # "hello" and "resume" are what is waited for; then it is the session's frames that come.
        self.phase = "hello"
        self.may_be_unknown = True
        self.end: Ended | None = None
        self.settled = asyncio.Event()
        self.pongs: dict[int, asyncio.Event] = {}
        self.pings_answered = 0
        self.fresh = os.urandom(16)
        loop = asyncio.get_running_loop()
        self.heard_at = self.began_at = loop.time()
        limits = field(1, MAX_FRAME) + field(2, MAX_HEADERS) + field(3, MAX_STREAMS) + field(4, WINDOW)
        hello = field(1, memory.instance) + field(2, "python") + (field(3, FEATURE) if resumes else b"") + field(4, limits)
        self.say(HELLO, hello + (field(5, self.fresh) + field(7, self.number) if memory.low else b""))
        self.tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._watch())]

    async def up(self) -> Session:
        """The session that the carrier is for, as soon as it is known. Raises Ended when it is for none."""
        await self.settled.wait()
        if self.session is None:
            raise self.end or Ended(REPLACED, "a later carrier is there")
        return self.session

    # ---- for the session ----

    def say(self, kind: int, body: bytes) -> None:
        """A kind of the carrier's own, or any that does not count."""
        self.write(frame_of(0, kind, body))

    def write(self, frame: bytes) -> None:
        if not self.end:
            self.carrier.write(varint(len(frame)) + frame)

    async def ping(self) -> float:
        """Seconds until the Pong."""
        loop = asyncio.get_running_loop()
        number, started = int.from_bytes(os.urandom(4), "big"), loop.time()
        self.pongs[number] = asyncio.Event()
        self.say(PING, field(1, number))
        await self.pongs[number].wait()
        return loop.time() - started

    def detach(self) -> None:
        """The session goes on elsewhere: nothing counts any more that comes here."""
        self.say(DETACH, field(1, self.memory.highest))
        self.stop(Ended(REPLACED, "the session goes on at another carrier"))

    def stop(self, end: Ended) -> None:
        """Of no more use. What was said still leaves."""
        if self.end:
            return
        self.end, self.phase = end, "over"
        for task in self.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self.carrier.close()
        self.settled.set()

    def lose(self, end: Ended) -> None:
        """The carrier is gone, and its session goes on without it."""
        self.stop(end)
        if self.session:
            self.session.leave(self, end)

    # ---- what comes ----

    async def _read(self) -> None:
        buffer = bytearray()
        try:
            while data := await self.carrier.read():
                self.heard_at = asyncio.get_running_loop().time()
                buffer += data
                while not self.end and (frame := take_frame(buffer)) is not None:
                    self._frame(frame)
            self.lose(Ended(CARRIER_LOST, "the carrier ended without a word", remote=True))
        except (Lost, ConnectionError) as error:
            self.lose(Ended(CARRIER_LOST, str(error), remote=True))
        except Malformed as error:
            self._fail(Ended(MALFORMED, str(error)))
        except Ended as error:
            self._fail(error)

    def _frame(self, frame: bytes) -> None:
        message = Message(frame)
        stream = message.int(1)
        kind = ([number for number in message.fields if 3 <= number <= 63] or [0])[-1]
        if stream > MAX_NUMBER:
            raise Malformed("a stream number that is too high")
        if HELLO <= kind <= CLOSE and stream != 0:
            raise Ended(PROTOCOL, "a kind of the carrier on a stream")
        if (self.phase == "hello") != (kind == HELLO):
            raise Ended(PROTOCOL, "a Hello is the first frame, and only the first")
        if kind == HELLO:
            self._hello(message.message(kind))
        elif kind == PING:
            self.say(PONG, field(1, message.message(kind).int(1)))
            self.pings_answered += 1
        elif kind == PONG:
            if waiting := self.pongs.pop(message.message(kind).int(1), None):
                waiting.set()
        elif kind == DETACH:
            if self.memory.low:
                self.memory.numbered = max(self.memory.numbered, message.message(kind).int(1))
            self.lose(Ended(REPLACED, "the other end has gone on at another carrier", remote=True))
        elif self.phase == "session" and self.session and kind != RESUME:
            self.session.frame(stream, kind, message, len(frame))
            self.session.news.set()
        elif self.phase == "resume" and kind == RESUME:
            (self._answered if self.memory.low else self._asked)(message.message(kind))
        elif self.phase == "resume" and kind == CLOSE:
            said = message.message(kind)
            end = Ended(said.int(1), said.text(2), remote=True)
            # It ends the carrier, and a session only if nothing was ever heard of the other end in it.
            if self.session and self.session.young:
                self.session.finish(end)
            self.lose(end)
        else:
            raise Ended(PROTOCOL, f"a frame of kind {kind} where none may be")

    def _hello(self, hello: Message) -> None:
        if len(hello.bytes(1)) != 16:
            raise Ended(PROTOCOL, "an instance id is 16 bytes")
        if self.memory.low and (hello.bytes(5) or hello.int(7)):
            raise Ended(PROTOCOL, "both take themselves for the low end")
        if not self.memory.low:
            self.number = hello.int(7)
            if len(hello.bytes(5)) != 16 or self.number == 0:
                raise Ended(PROTOCOL, "the low end has given no session or no carrier")
        if (hello.message(4).int(1) or 131_072) < 16_384:
            raise Ended(PROTOCOL, "too short frames")
        self.hello = hello
        if not self.resumes or FEATURE.encode() not in hello.all_bytes(3):
            self._begin(self.fresh if self.memory.low else hello.bytes(5), resumable=False)
            self._enter()
            return
        self.phase = "resume"
        if not self.memory.low:
            return
        if not self.memory.takes(self.number):
            self.detach()
            return
        held = self.memory.find(hello.bytes(1))
        if held:
            self._attach(held, early=False)
        else:
            self._begin(self.fresh)
        self._say_resume()

    def _answered(self, resume: Message) -> None:
        """At the low end: the other has followed, or it does not know the session."""
        session = self._has_session()
        if resume.int(5):
            if not self.may_be_unknown:
                raise Ended(PROTOCOL, "a session that is to begin is not known")
            self.may_be_unknown = False
            session.part = None
            session.lose()
            self._begin(os.urandom(16))
            self._say_resume()
            return
        if resume.bytes(1) != session.id or resume.int(2) != self.number:
            raise Ended(PROTOCOL, "another session or another carrier was resumed")
        self._enter()
        session.resumed(resume.int(3))

    def _asked(self, resume: Message) -> None:
        """At the high end: the other has said what the carrier is for."""
        if len(resume.bytes(1)) != 16 or resume.int(2) != self.number:
            raise Ended(PROTOCOL, "no session, or another carrier, was resumed")
        held = self.memory.find(self.hello.bytes(1) if self.hello else b"")
        known = held if held and held.id == resume.bytes(1) else None
        begins = resume.int(4) and not self.memory.has_ended(resume.bytes(1))
        if not known and not begins and self.number > self.memory.highest:
            if not self.may_be_unknown:
                raise Ended(PROTOCOL, "asked twice for a session that is not known here")
            self.may_be_unknown = False
            self.say(RESUME, field(5, 1))
            return
        if not self.memory.takes(self.number):
            self.detach()
            return
        if known:
            self._attach(known, early=False)
        else:
            self._begin(resume.bytes(1))
        self._say_resume()
        self._enter()
        self._has_session().resumed(resume.int(3))

    def _begin(self, id: bytes, resumable: bool = True) -> None:
        """A session begins here."""
        if self.hello is None:
            raise AssertionError("nobody has said Hello")
        session = Session(id, self.memory.low, self.hello, resumable, self.accept)
        if resumable:
            self.memory.hold(session, self.hello.bytes(1))
        # The low end need not wait for a Resume: the high end can have nothing yet.
        self._attach(session, early=self.memory.low or not resumable)

    def _attach(self, session: Session, early: bool) -> None:
        self.session = session
        session.attach(self, early)

    def _say_resume(self) -> None:
        session = self._has_session()
        begins = self.memory.low and session.young
        self.say(RESUME, field(1, session.id) + field(2, self.number) + field(3, session.received) + field(4, int(begins)))
        session.pump()

    def _enter(self) -> None:
        self.phase = "session"
        self.settled.set()

    def _has_session(self) -> Session:
        if self.session is None:
            raise AssertionError("the carrier is for no session yet")
        return self.session

    def _fail(self, error: Ended) -> None:
        """The other end broke a rule."""
        if self.phase == "session" and self.session:
            self.session.close(error.reason, error.message)
            return
        if not self.session:
            self.say(CLOSE, field(1, error.reason) + field(2, error.message))
        self.lose(error)

    # ---- liveness ----

    async def _watch(self) -> None:
        """Gives up who says no Hello or no Resume, asks who is quiet, and gives up who is silent or takes nothing."""
        loop = asyncio.get_running_loop()
        while not self.end:
            await asyncio.sleep(PING_SECONDS / 5)
            quiet = loop.time() - self.heard_at
            if self.phase in ("hello", "resume"):
                if loop.time() - self.began_at >= HELLO_SECONDS * (1 if self.phase == "hello" else 2):
                    self._fail(Ended(HELLO_TIMEOUT, f"no {self.phase} came"))
            elif quiet >= SILENCE_SECONDS:
                self._dead(Ended(SILENT, "nothing was heard for too long"))
            elif self.carrier.stuck_seconds() >= STALLED_SECONDS:
                self._dead(Ended(STALLED, "nothing could be sent for too long"))
            elif quiet >= PING_SECONDS:
                self.say(PING, field(1, 1))

    def _dead(self, why: Ended) -> None:
        session = self._has_session()
        if session.resumable:
            self.lose(why)
        else:
            session.close(why.reason, why.message)


def frame_of(stream: int, kind: int, body: bytes) -> bytes:
    return field(1, stream) + present(kind, body)


def take_frame(buffer: bytearray) -> bytes | None:
    """Takes one frame from the front; none when not all of it has come."""
    length = start = 0
    if any(byte < 0x80 for byte in buffer[:5]):
        length, start = take_varint(buffer, 0)
    elif len(buffer) < 5:
        return None
    else:
        raise Malformed("a length of more than five bytes")
    if length > MAX_FRAME:
        raise Ended(FRAME_TOO_LARGE, f"a frame of {length} bytes")
    if len(buffer) < start + length:
        return None
    frame = bytes(buffer[start : start + length])
    del buffer[: start + length]
    return frame
