"""An agent in Python meets one of this project's, as test/interop/python.test.ts starts it:

    python3 meet_an_agent.py FOLDER low|high INVITE

It prints a line for each thing that it has seen to be so, and ends with 0 when all of them were; before the last it waits for
the other agent to be told to stop. Needs Python 3.10 or newer and the program `openssl`, and nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import sys
from pathlib import Path

import numbers_of_the_wire as wire
from agent import MEMBERSHIP, PAIRING, Agent, Wishes, join, read_invite
from call import INVALID_ARGUMENT, UNIMPLEMENTED, Call, CallError, call
from carrier import Carrier
from identity import Untrusted, make_identity
from protobuf import Message, field, present
from session import Session
from stream import Ended, Stream

JOIN_REFUSAL, UNKNOWN_TOKEN = "fairlead.peer.v1.JoinRefusal", 1
SIZE = 20 * 1024 * 1024
# What is under way while carriers are cut, which an implementation in Python takes its time for.
CUT_SIZE = 5 * 1024 * 1024
# Longest that anything here may take, in seconds; a machine that is busy is slow.
PATIENCE = 60


def seen(what: str) -> None:
    print(what, flush=True)


def expect(true: bool, what: object = "it is not so") -> None:
    if not true:
        raise AssertionError(what)


async def main(folder: Path, side: str, line: str) -> None:
    invite = read_invite(line)
    url, pin = invite.urls[0], invite.fingerprint
    identity = make_identity(folder / "identity", pin, side)
    agent = Agent(identity, folder)

    try:
        await Carrier.dial(url, identity, "0" * 64, folder)
        expect(False)
    except Untrusted:
        seen("an agent that is not the one of the invite is refused before anything is said")

    session = await agent.connect(url, pin)
    expect(session.low == (side == "low"))
    try:
        await call(session, MEMBERSHIP + "GetFacts")
        expect(False)
    except Ended as error:
        expect(error.reason == wire.DENIED and error.remote, error)
    seen("a guest may call nothing but pairing")
    try:
        await call(session, PAIRING + "Join", field(1, b"short"))
        expect(False)
    except CallError as error:
        expect(error.code == INVALID_ARGUMENT and error.message != "" and len(error.details) > 0, error)
    try:
        await call(session, PAIRING + "Join", field(1, bytes(16)))
        expect(False)
    except CallError as error:
        reasons = [Message(value).int(1) for name, value in error.details if name.endswith("/" + JOIN_REFUSAL)]
        expect(reasons == [UNKNOWN_TOKEN], error.details)
    seen("a call that is refused says why in its trailers, for people and for programs")
    expect(await join(session, invite.token, await agent.listen(), "python") == invite.name)
    seen("an invite makes it a peer")

    await asyncio.wait_for(session.until(lambda: MEMBERSHIP + "GetFacts" in agent.asked), PATIENCE)
    seen("it is called by the agent, and answers")
    await use_calls(session)

    session.close(wire.CANCELLED, "it comes again")
    session = await agent.connect(url, pin)
    expect((await facts(session)).has(1))
    seen("it comes again as a peer, with its key and no invite")

    await break_manners(session)
    wishes = Wishes(session)
    expect((await wishes.begin()).int(1) > 0)
    uid = f"python-{side}"
    spec = {"image": "fairlead.dev/echo:1", "ports": [{"name": "web", "containerPort": 8080}]}
    await wishes.wish(uid, "default", uid, spec)
    await wishes.until_ready()
    seen("an app that it wishes runs")
    await use_streams(session, uid)
    await open_many(session, uid)
    await lose_carriers(agent, session, url, pin, uid)
    await be_dialled(agent, session, uid)
    await wishes.delete(uid)
    wishes.call.cancel()
    seen("an app that it no longer wishes is gone")

    expect(session.acknowledged > 300 and session.received > 300, (session.acknowledged, session.received))
    # Within 10 s of the last of them.
    await asyncio.wait_for(session.until(lambda: session.acknowledged == session.sent), PATIENCE)
    seen("frames that count are counted alike by both ends")

    session = await forget(agent, session, url, pin)

    late = Call(session, MEMBERSHIP + "WatchStanding")
    await late.send(b"")
    late.end()
    await late.answers().__anext__()
    seen("ready to be left")
    try:
        await session.until(lambda: session.going_away is not None)
        try:
            session.dial(target(uid))
            expect(False)
        except Ended as error:
            expect(error.reason == wire.GOING_AWAY)
        late.cancel()
        await session.until(lambda: False)
    except Ended as error:
        expect(error.reason == wire.SHUTDOWN and error.remote, error)
    seen("an agent that stops says GoAway, lets what is open end, and says Close")


async def facts(session: Session) -> Message:
    return Message((await call(session, MEMBERSHIP + "GetFacts", timeout="20S"))[0])


async def use_calls(session: Session) -> None:
    expect((await facts(session)).text(1) != "")
    seen("one message is asked and one answered")
    try:
        await call(session, MEMBERSHIP + "NoSuchMethod")
        expect(False)
    except CallError as error:
        expect(error.code == UNIMPLEMENTED and "NoSuchMethod" in error.message, error)
    seen("a method that is not there is an answer, and no break")

    watch = Call(session, MEMBERSHIP + "WatchStanding")
    await watch.send(b"")
    watch.end()
    async for standing in watch.answers():
        names = [Message(grant).text(1) for grant in Message(standing).all_bytes(1)]
        expect(names == ["apps"], names)
        break
    watch.cancel()
    seen("an answer of many messages is read as it comes, and given up by a reset")
    try:
        await call(session, MEMBERSHIP + "WatchStanding", timeout="50m")
        expect(False)
    except CallError as error:
        expect(error.code == 4, error)
    except Ended as error:
        expect(error.reason == wire.DEADLINE, error)
    seen("a deadline holds")
    expect(session.part is not None and await session.part.ping() < PATIENCE)
    # One comes behind the Hello.
    await session.until(lambda: session.part is not None and session.part.pings_answered > 0)
    seen("both ends ping, and answer")


async def break_manners(session: Session) -> None:
    """What a later version might say is refused politely, and nothing else suffers."""
    session.send(0, 47, b"what is this?")
    await session.until(lambda: session.refused_kinds == [47])
    watch = Call(session, MEMBERSHIP + "WatchStanding")
    await watch.send(b"")
    watch.end()
    answers = watch.answers()
    await answers.__anext__()
    session.send(watch.stream.number, 15, b"what is that?")
    await reset_of(watch.stream, wire.UNSUPPORTED)
    # A field that nobody knows, in a kind that all do.
    expect(session.part is not None and session.part.say(wire.PING, field(1, 7) + field(99, "more")) is None)
    # Two numbers are left out.
    session.next_number += 4
    expect((await facts(session)).has(1))
    seen("what is not known yet is refused politely")

    greedy = session.dial(target("nothing"))
    await reset_of(greedy, wire.NOT_FOUND)
    unknown = session.dial(field(15, "a target of later"))
    await reset_of(unknown, wire.UNSUPPORTED)
    seen("a target that is not there, and one that is not known, are refused by reason")


async def use_streams(session: Session, app: str) -> None:
    port = present(4, present(2, "web"))
    down, up = await asyncio.gather(download(session, target(app)), upload(session, target(app, port)))
    expect(down == SIZE and up == SIZE)
    seen("20 MiB each way at a time arrive whole")

    stalled = session.dial(target(app), wire.BULK)
    await request(stalled, f"GET /bytes?n={SIZE} HTTP/1.1")
    await until(stalled, lambda: stalled.receive_credit == 0)
    expect(stalled.received == wire.WINDOW, stalled.received)
    for _ in range(20):
        await facts(session)
    expect(stalled.received == wire.WINDOW, stalled.received)
    expect(await download(session, target(app)) == SIZE)
    seen("a reader that stops stops its sender at its credit, and nobody else")
    rest = await read_all(stalled)
    expect(len(body_of(rest)) == SIZE)
    seen("what had stopped goes on when it is read")

    patient = session.dial(target(app))
    await request(patient, "GET /slow?ms=200 HTTP/1.1", end=True)
    expect(b'{"slept":200}' in await read_all(patient))
    seen("half a stream that ended leaves the other open")

    broken = session.dial(target(app))
    await request(broken, "GET /bytes?n=100000000 HTTP/1.1")
    await broken.read()
    broken.reset(wire.CANCELLED, "enough")
    cut = session.dial(target(app))
    await request(cut, "GET /abort HTTP/1.1")
    expect(len(body_of(await read_all(cut))) < 1_000_000)
    expect((await facts(session)).has(1))
    seen("streams that were broken off leave the session as it was")

    greedy = session.dial(target(app))
    # The app does not read what is sent to it. Some MiB of it wait in the kernel, and then in nobody's hands.
    await request(greedy, "POST /slow?ms=20000 HTTP/1.1", f"Content-Length: {10 * SIZE}")
    block = bytes(wire.MAX_DATA)
    for _ in range(10 * SIZE // len(block)):
        if not greedy.cut:
            session.send(greedy.number, wire.DATA, block)
            await session.drained()
    await reset_of(greedy, wire.CREDIT_EXCEEDED)
    seen("who sends more than there is credit for loses the stream")


async def open_many(session: Session, app: str) -> None:
    """What streams begin with falls as they grow in number, and each Open says which of the announcements it knew."""
    told = session.credit
    many = [session.dial(target(app)) for _ in range(60)]
    await session.until(lambda: session.announcement > 0)
    expect(session.credit < told, (session.credit, told))
    one = session.dial(target(app))
    expect(one.send_credit == session.credit)
    await request(one, "GET /bytes?n=10 HTTP/1.1")
    expect(len(body_of(await read_all(one))) == 10)
    for stream in many:
        stream.reset(wire.CANCELLED, "enough of them")
    expect((await facts(session)).has(1))
    seen("streams that are opened when there are many begin with less, as was announced")


async def lose_carriers(agent: Agent, session: Session, url: str, pin: str, app: str) -> None:
    """Its streams do not notice, whatever was under way and in which direction."""

    async def go_on() -> None:
        expect(await agent.connect(url, pin) is session, "another session began")

    watch = Call(session, MEMBERSHIP + "WatchStanding")
    await watch.send(b"")
    watch.end()
    answers = watch.answers()
    await answers.__anext__()

    port = present(4, present(2, "web"))
    both = asyncio.gather(download(session, target(app), CUT_SIZE), upload(session, target(app, port), CUT_SIZE))
    for nth in range(8):
        before = session.received, session.sent
        await session.until(lambda: both.done() or session.received + session.sent > sum(before) + 12)
        expect(not both.done(), "it was over before the carrier could be cut")
        carrier_of(session).cut()
        if nth % 2:
            await session.until(lambda: session.part is None)
        await go_on()
    expect(await both == [CUT_SIZE, CUT_SIZE])
    seen("carriers that are cut in mid-download and mid-upload lose no byte and double none")

    carrier_of(session).cut()
    await session.until(lambda: session.part is None)
    asking = asyncio.create_task(facts(session))
    quiet = session.dial(target(app))
    await asyncio.sleep(0)
    expect(session.sent > session.written)
    await go_on()
    expect((await asking).has(1))
    await request(quiet, "GET /bytes?n=10 HTTP/1.1")
    expect(len(body_of(await read_all(quiet))) == 10)
    seen("what is asked while there is no carrier is said on the next")

    older = session.part
    down = asyncio.create_task(download(session, target(app), CUT_SIZE))
    await go_on()
    expect(older is not None and older.end is not None and session.part is not older)
    expect(await down == CUT_SIZE)
    seen("a carrier that comes later takes over from one that stands")
    expect(not watch.stream.cut and not watch.stream.they_ended)
    watch.cancel()
    expect(session.resumes >= 10, session.resumes)


async def be_dialled(agent: Agent, session: Session, app: str) -> None:
    down = asyncio.create_task(download(session, target(app), CUT_SIZE))
    resumes = session.resumes
    agent.open = True
    carrier_of(session).cut()
    await asyncio.wait_for(session.until(lambda: session.resumes > resumes), PATIENCE)
    agent.open = False
    expect(agent.dialled == 1 and not carrier_of(session).socket.dialled)
    expect(await down == CUT_SIZE)
    seen("it is dialled by the agent, and the session goes on there")


async def forget(agent: Agent, session: Session, url: str, pin: str) -> Session:
    """One end no longer holds the session: its streams are reset with a reason, and another begins."""
    memory = agent.memories[pin]
    watch = Call(session, MEMBERSHIP + "WatchStanding")
    await watch.send(b"")
    watch.end()
    await watch.answers().__anext__()
    carrier_of(session).cut()
    await session.until(lambda: session.part is None)
    if memory.low:
        # It goes on with one of which the agent has never heard.
        session.id = bytes(16)
    else:
        memory.sessions.clear()
    other = await agent.connect(url, pin)
    expect(other is not session and other.id != session.id)
    if memory.low:
        await reset_of(watch.stream, wire.SESSION_LOST)
    expect((await facts(other)).has(1))
    seen("a session that one end does not know is lost for a reason, and another begins on the same carrier")

    carrier_of(other).cut()
    agent.restart()
    third = await agent.connect(url, pin)
    expect(third.id != other.id)
    expect((await facts(third)).has(1))
    other.finish(Ended(wire.SESSION_LOST, "its process is no more"))
    seen("a process that restarts is a peer at once, in a session of its own")
    return third


def carrier_of(session: Session) -> Carrier:
    if session.part is None:
        raise AssertionError("there is no carrier")
    return session.part.carrier


async def download(session: Session, to: bytes, size: int = SIZE) -> int:
    stream = session.dial(to, wire.BULK)
    await request(stream, f"GET /bytes?n={size} HTTP/1.1")
    answer = await read_all(stream)
    body, told = body_of(answer), header_of(answer, "x-sha256")
    expect(hashlib.sha256(body).hexdigest() == told, f"{len(body)} bytes are not those with the hash {told}")
    return len(body)


async def upload(session: Session, to: bytes, size: int = SIZE) -> int:
    data = random.Random(1).randbytes(size)
    stream = session.dial(to, wire.BULK)
    await request(stream, "POST /upload HTTP/1.1", f"Content-Length: {size}")
    await stream.write(data)
    answer = await read_all(stream)
    expect(hashlib.sha256(data).hexdigest().encode() in answer, answer)
    return size


async def request(stream: Stream, line: str, *headers: str, end: bool = False) -> None:
    await stream.write("\r\n".join([line, "Host: echo", "Connection: close", *headers, "", ""]).encode())
    if end:
        stream.end()
    await stream.headed()


async def read_all(stream: Stream) -> bytes:
    data = bytearray()
    while piece := await stream.read():
        data += piece
    stream.end()
    return bytes(data)


def body_of(answer: bytes) -> bytes:
    return answer[answer.index(b"\r\n\r\n") + 4 :]


def header_of(answer: bytes, name: str) -> str:
    for line in answer[: answer.index(b"\r\n\r\n")].decode().split("\r\n"):
        if line.lower().startswith(name + ":"):
            return line.partition(":")[2].strip()
    return ""


def target(app: str, port: bytes = b"") -> bytes:
    return present(1, field(1, "default") + field(2, app) + port)


async def until(stream: Stream, condition) -> None:  # type: ignore[no-untyped-def]
    while not condition():
        if stream.cut:
            raise stream.cut
        await stream.changed()


async def reset_of(stream: Stream, reason: int) -> None:
    while not stream.cut:
        await stream.changed()
    expect(stream.cut.reason == reason and stream.cut.remote, stream.cut)


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]), 3 * PATIENCE))
