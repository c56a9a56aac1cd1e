"""Calls with gRPC's semantics, one stream each: docs/protocol.md §5."""

from __future__ import annotations

import base64
import struct
from typing import AsyncIterator
from urllib.parse import quote, unquote

from numbers_of_the_wire import CANCELLED, INTERACTIVE, NORMAL
from protobuf import Message
from session import Session
from stream import Headers, Stream

CONTENT_TYPE = "application/grpc+proto"
LONGEST_MESSAGE = 4 * 1024 * 1024
INVALID_ARGUMENT, UNIMPLEMENTED = 3, 12


class CallError(Exception):
    """A call that was answered with something else than OK."""

    def __init__(self, code: int, message: str, details: list[tuple[str, bytes]]):
        super().__init__(f"code {code}: {message}")
        self.code, self.message, self.details = code, message, details


class Call:
    """One call, from the end that makes it."""

    def __init__(self, session: Session, path: str, timeout: str = "", priority: int = NORMAL):
        headers = [("content-type", CONTENT_TYPE), ("te", "trailers")]
        self.stream = session.open_call(path, headers + ([("grpc-timeout", timeout)] if timeout else []), priority)

    async def send(self, message: bytes) -> None:
        await self.stream.write(prefixed(message))

    def end(self) -> None:
        self.stream.end()

    async def answers(self) -> AsyncIterator[bytes]:
        """Each message of the answer. Raises CallError when the call did not go well, Ended when it was cut."""
        async for message in messages(self.stream):
            yield message
        # Who has the answer has no use for the rest of the request.
        self.stream.reset(CANCELLED, "the call was answered")
        check_status(self.stream.trailers)

    def cancel(self) -> None:
        self.stream.reset(CANCELLED, "the caller has lost interest")


async def call(session: Session, path: str, request: bytes = b"", timeout: str = "") -> list[bytes]:
    """Sends one message and gives all that are answered."""
    one = Call(session, path, timeout, INTERACTIVE)
    await one.send(request)
    one.end()
    return [answer async for answer in one.answers()]


def prefixed(message: bytes) -> bytes:
    return struct.pack("!BI", 0, len(message)) + message


async def messages(stream: Stream) -> AsyncIterator[bytes]:
    """Messages do not respect the bounds of frames."""
    buffer = bytearray()
    while True:
        while len(buffer) >= 5:
            compressed, length = struct.unpack("!BI", buffer[:5])
            if compressed or length > LONGEST_MESSAGE:
                raise CallError(13, "a message that is compressed or too long", [])
            if len(buffer) < 5 + length:
                break
            yield bytes(buffer[5 : 5 + length])
            del buffer[: 5 + length]
        data = await stream.read()
        if not data:
            break
        buffer += data
    if buffer:
        raise CallError(13, "the last message is not whole", [])


def check_status(trailers: Headers) -> None:
    found = dict(trailers)
    code = int(found.get("grpc-status", "2"))
    if code == 0:
        return
    told = found.get("grpc-status-details-bin", b"")
    # In `binary`, unless it is not one piece of base64.
    status = Message(told if isinstance(told, bytes) else base64.b64decode(told + "=="))
    details = [(one.text(1), one.bytes(2)) for one in map(Message, status.all_bytes(3))]
    raise CallError(code, unquote(found.get("grpc-message", "")), details)


async def answer(stream: Stream, message: bytes) -> None:
    """Answers a call that came, once its request has been read."""
    async for _ in messages(stream):
        pass
    stream.head([("content-type", CONTENT_TYPE)])
    await stream.write(prefixed(message))
    stream.end([("grpc-status", "0")])


def refuse(stream: Stream, code: int, message: str) -> None:
    """Answers at once, with no message; the rest of the request is of no use."""
    stream.head([("content-type", CONTENT_TYPE)])
    stream.end([("grpc-status", str(code)), ("grpc-message", quote(message))])
