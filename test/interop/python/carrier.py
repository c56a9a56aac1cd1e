"""A carrier: TLS 1.3 in a WebSocket, as docs/carrier.md has it, from either end."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import ssl
import struct
from pathlib import Path
from urllib.parse import urlsplit

from identity import Identity, Untrusted, prove

LONGEST_MESSAGE = 65_536
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Lost(Exception):
    """The connection is no more, with no word from the other end's session."""


NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class WebSocket:
    """Binary messages; where one ends and the next begins means nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dialled: bool):
        self.reader, self.writer, self.dialled = reader, writer, dialled

    @staticmethod
    async def dial(url: str) -> WebSocket:
        parts = urlsplit(url)
        outer = ssl.create_default_context() if parts.scheme == "wss" else None
        port = parts.port or (443 if outer else 80)
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=outer, limit=1 << 20)
        key = base64.b64encode(os.urandom(16)).decode()
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        head = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", "Connection: Upgrade", "Upgrade: websocket",
                "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]  # fmt: skip
        writer.write(("\r\n".join(head) + "\r\n\r\n").encode())
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if " 101 " not in status or headers.get("sec-websocket-accept") != proof_of(key):
            writer.close()
            raise Lost(f"there is no link: {status}")
        return WebSocket(reader, writer, dialled=True)

    @staticmethod
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> WebSocket:
        request, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, path, _ = request.split(" ")
        key = headers.get("sec-websocket-key", "")
        if method != "GET" or path.partition("?")[0].rpartition("/")[2] != "link" or not key:
            writer.write(NOT_FOUND)
            writer.close()
            raise Lost(f"a stranger asked: {request}")
        head = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket",
                f"Sec-WebSocket-Accept: {proof_of(key)}"]  # fmt: skip
        writer.write(("\r\n".join(head) + "\r\n\r\n").encode())
        return WebSocket(reader, writer, dialled=False)

    def write(self, data: bytes) -> None:
        for at in range(0, len(data), LONGEST_MESSAGE):
            self._send(BINARY, data[at : at + LONGEST_MESSAGE])

    def _send(self, opcode: int, data: bytes) -> None:
        length, masked = len(data), 0x80 if self.dialled else 0
        size = bytes([masked | length]) if length < 126 else struct.pack("!BH", masked | 126, length)
        if length > 0xFFFF:
            size = struct.pack("!BQ", masked | 127, length)
        # The mask of the end that dialled is zero, so what follows it is the data itself.
        self.writer.write(bytes([0x80 | opcode]) + size + (bytes(4) if masked else b"") + data)

    async def read(self) -> bytes:
        """The next bytes; none at a clean end."""
        while True:
            try:
                first, second = await self.reader.readexactly(2)
                length = second & 0x7F
                if length >= 126:
                    size = await self.reader.readexactly(2 if length == 126 else 8)
                    length = int.from_bytes(size, "big")
                if first & 0x70 or bool(second & 0x80) == self.dialled or length > LONGEST_MESSAGE:
                    raise Lost("what came is no WebSocket message that may come here")
                mask = b"" if self.dialled else await self.reader.readexactly(4)
                data = await self.reader.readexactly(length)
                if any(mask):
                    data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise Lost("the connection broke") from error
            opcode = first & 0x0F
            if opcode == PING:
                self._send(PONG, data)
            elif opcode == CLOSE:
                code = int.from_bytes(data[:2], "big") if data else 1000
                self.close(data[:2])
                if code not in (1000, 1001):
                    raise Lost(f"the connection was closed with {code}: {data[2:].decode(errors='replace')}")
                return b""
            elif opcode not in (CONTINUATION, BINARY, PONG):
                raise Lost(f"what came is a message of kind {opcode}")
            elif data and opcode != PONG:
                return data

    def close(self, code: bytes = b"\x03\xe8") -> None:
        if not self.writer.is_closing():
            self._send(CLOSE, code)
            self.writer.close()


def proof_of(key: str) -> str:
    return base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()


class Carrier:
    """Bytes to and from an agent that has proved who it is."""

    def __init__(self, socket: WebSocket, context: ssl.SSLContext, identity: Identity):
        self.socket = socket
        # Bytes given to the connection, how many of them it has taken, and since when it has taken no more.
        self.given, self.moved, self.moved_at = 0, 0, 0.0
        # Of the CA of the other end, in hex, as soon as it is proved.
        self.fingerprint = ""
        # The chain that the other end has shown, in DER.
        self.shown: list[bytes] = []
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["fairlead/1"])
        context.load_cert_chain(identity.chain, identity.leaf_key)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=not socket.dialled)

    @staticmethod
    async def dial(url: str, identity: Identity, pin: str, folder: Path) -> Carrier:
        """Resolves when the agent with the pinned fingerprint is at the other end, before anything was said to it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # Judged by `prove`: the rule is Fairlead's own.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        carrier = Carrier(await WebSocket.dial(url), context, identity)
        await carrier._prove([pin], "sslserver", folder)
        return carrier

    @staticmethod
    async def accept(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, identity: Identity, known: dict[str, bytes], folder: Path
    ) -> Carrier:
        """Resolves when one of the known agents is at the other end: fingerprints, and their CAs in DER. Python's TLS can ask for
        no certificate without judging it by roots, so here the known CAs are the roots, and there are no guests."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        for ca in known.values():
            context.load_verify_locations(cadata=ca)
        context.num_tickets = 0
        socket = await asyncio.wait_for(WebSocket.accept(reader, writer), 10)
        carrier = Carrier(socket, context, identity)
        await carrier._prove(list(known), "sslclient", folder)
        return carrier

    async def _prove(self, pins: list[str], purpose: str, folder: Path) -> None:
        try:
            await asyncio.wait_for(self._shake_hands(), 10)
            if self.tls.selected_alpn_protocol() != "fairlead/1" or self.tls.session_reused:
                raise Untrusted("the handshake is not one of Fairlead's")
            self.shown = self._shown()
            self.fingerprint = prove(self.shown, pins, purpose, folder)
        except BaseException:
            self.socket.close()
            raise

    async def _shake_hands(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
                self._flush()
                return
            except ssl.SSLWantReadError:
                self._flush()
            data = await self.socket.read()
            if not data:
                raise Lost("the other end left in mid-handshake")
            self.incoming.write(data)

    def _shown(self) -> list[bytes]:
        """The other's certificates in DER. Public in Python from 3.13 on, and there since 3.10."""
        if hasattr(self.tls, "get_unverified_chain"):
            return [bytes(der) for der in self.tls.get_unverified_chain()]
        return [ssl.PEM_cert_to_DER_cert(shown.public_bytes()) for shown in self.tls._sslobj.get_unverified_chain()]

    def write(self, data: bytes) -> None:
        self.tls.write(data)
        self._flush()

    def _flush(self) -> None:
        data = self.outgoing.read()
        if data:
            self.given += len(data)
            self.socket.write(data)

    async def drained(self) -> None:
        """Resolves when little waits to be written."""
        await self.socket.writer.drain()

    def stuck_seconds(self) -> float:
        """For how long bytes wait and none of them has moved, at least, as far as this was asked for."""
        now = asyncio.get_running_loop().time()
        waiting = self.socket.writer.transport.get_write_buffer_size()
        moved = self.given - waiting
        if waiting == 0 or moved != self.moved:
            self.moved, self.moved_at = moved, now
        return now - self.moved_at

    def cut(self) -> None:
        """As a network does it: with no word to anybody."""
        self.socket.writer.transport.abort()

    async def read(self) -> bytes:
        """The next bytes; none at a clean end."""
        while True:
            try:
                return self.tls.read(LONGEST_MESSAGE)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                raise Lost(f"the TLS inside broke: {error.reason}") from error
            data = await self.socket.read()
            if not data:
                return b""
            self.incoming.write(data)

    def close(self) -> None:
        self.socket.close()
