"""What an agent says to another: invites and pairing, facts, wishes. proto/fairlead/peer/v1."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from call import UNIMPLEMENTED, Call, answer, call, refuse
from carrier import Carrier, Lost
from identity import Identity, Untrusted, fingerprint_of, public_key
from memory import Memory
from numbers_of_the_wire import UNSUPPORTED
from part import Part
from protobuf import Message, field, present
from session import Session
from stream import Ended, Stream

PAIRING = "/fairlead.peer.v1.PairingService/"
MEMBERSHIP = "/fairlead.peer.v1.MembershipService/"
INTENT = "/fairlead.peer.v1.IntentService/"


@dataclass(frozen=True)
class Invite:
    urls: list[str]
    fingerprint: str
    token: bytes
    name: str


def read_invite(line: str) -> Invite:
    prefix, version, body = line.split(":")
    data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    payload, check = data[:-4], data[-4:]
    if (prefix, version) != ("fairlead-invite", "v1") or hashlib.sha256(payload).digest()[:4] != check:
        raise ValueError("this is no whole invite")
    message = Message(payload)
    urls = [url.decode() for url in message.all_bytes(1)]
    return Invite(urls, message.bytes(2).hex(), message.bytes(3), message.text(5))


class Agent:
    """This end, a process of it: its identity, what it remembers, and what it answers when it is called."""

    def __init__(self, identity: Identity, folder: Path):
        self.identity, self.folder = identity, folder
        self.instance = os.urandom(16)
        self.memories: dict[str, Memory] = {}
        # The CAs, in DER, of those that may dial it.
        self.known: dict[str, bytes] = {}
        # Paths of the calls, and "dial", that the other end has made.
        self.asked: list[str] = []
        self.answering: set[asyncio.Task[None]] = set()
        # Whether it may be dialled now, and how often it was.
        self.open, self.dialled = False, 0

    async def connect(self, url: str, pin: str) -> Session:
        """A session with the pinned agent: the one that there is, if it goes on at this carrier."""
        carrier = await Carrier.dial(url, self.identity, pin, self.folder)
        self.known[pin] = next(der for der in carrier.shown if fingerprint_of(public_key(der)) == pin)
        return await self._begin(carrier)

    async def listen(self) -> str:
        """Lets those dial it whom it has dialled before, as long as it is open. Where."""
        server = await asyncio.start_server(self._dialled, "127.0.0.1", 0, limit=1 << 20)
        return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/python/link"

    def restart(self) -> None:
        """Another process with the same identity, which knows of nothing."""
        self.instance, self.memories = os.urandom(16), {}

    async def _begin(self, carrier: Carrier) -> Session:
        fingerprint = carrier.fingerprint
        memory = self.memories.setdefault(fingerprint, Memory(self.identity.fingerprint < fingerprint, self.instance))
        return await Part(carrier, memory, self._accept).up()

    async def _dialled(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.open:
            writer.close()
            return
        try:
            await self._begin(await Carrier.accept(reader, writer, self.identity, self.known, self.folder))
            self.dialled += 1
        except (Ended, Lost, Untrusted, OSError, ValueError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            writer.close()

    def _accept(self, stream: Stream, opened: Message) -> None:
        path = opened.message(1).text(1) if opened.has(1) else "dial"
        self.asked.append(path)
        if path == MEMBERSHIP + "GetFacts":
            facts = field(1, "0.1.0-python") + field(2, field(1, "language") + field(2, "Python"))
            task = asyncio.create_task(self._answer(stream, facts))
            self.answering.add(task)
            task.add_done_callback(self.answering.discard)
        elif path == "dial":
            stream.reset(UNSUPPORTED, "this agent lends nothing")
        else:
            refuse(stream, UNIMPLEMENTED, f"This agent has no method {path}.")

    async def _answer(self, stream: Stream, message: bytes) -> None:
        try:
            await answer(stream, message)
        except Ended:
            pass  # Nobody is there to be answered.


async def join(session: Session, token: bytes, url: str, name: str) -> str:
    """Redeems an invite, and says where this end can be dialled; what the inviter calls itself."""
    request = field(1, token) + field(2, url) + field(3, name)
    answers = [Message(one) for one in await call(session, PAIRING + "Join", request)]
    return answers[-1].message(2).text(1)


class Wishes:
    """A conversation about apps, from the origin's end, with one wish in it."""

    def __init__(self, session: Session):
        self.call = Call(session, INTENT + "Sync")
        self.answers = self.call.answers()

    async def begin(self) -> Message:
        """Says what it is about, and that nothing is wished yet; gives the host's Welcome."""
        await self.call.send(present(1, field(1, "workload")))
        await self.call.send(present(2, field(2, 1)))
        return Message(await self.answers.__anext__()).message(1)

    async def until(self, number: int) -> Message:
        """The next answer of this kind, by its number in SyncResponse."""
        async for data in self.answers:
            message = Message(data)
            if message.has(5):
                raise AssertionError(f"refused: {message.message(5).text(5)}")
            if message.has(number):
                return message.message(number)
        raise AssertionError("the conversation ended")

    async def wish(self, uid: str, namespace: str, name: str, spec: dict[str, object]) -> None:
        text = json.dumps(spec)
        parts = [field(1, uid), field(2, 1), field(3, namespace), field(4, name), field(5, text)]
        parts.append(field(6, hashlib.sha256(text.encode()).hexdigest()[:32]))
        await self.call.send(present(3, b"".join(parts)))

    async def until_ready(self) -> None:
        while True:
            status = json.loads((await self.until(4)).text(4) or "{}")
            if status.get("phase") == "Ready":
                return

    async def delete(self, uid: str) -> None:
        await self.call.send(present(4, field(1, uid)))
        await self.until(6)
