"""A carrier: TLS 1.3 in a WebSocket, as docs/carrier.md has it, from the end that dials."""

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


class WebSocket:
    """Binary messages of a client; where one ends and the next begins means nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader, self.writer = reader, writer

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
        proof = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        if " 101 " not in status or headers.get("sec-websocket-accept") != base64.b64encode(proof).decode():
            writer.close()
            raise Lost(f"there is no link: {status}")
        return WebSocket(reader, writer)

    def write(self, data: bytes) -> None:
        for at in range(0, len(data), LONGEST_MESSAGE):
            self._send(BINARY, data[at : at + LONGEST_MESSAGE])

    def _send(self, opcode: int, data: bytes) -> None:
        length = len(data)
        size = bytes([0x80 | length]) if length < 126 else struct.pack("!BH", 0x80 | 126, length)
        if length > 0xFFFF:
            size = struct.pack("!BQ", 0x80 | 127, length)
        # The mask is zero, so what follows it is the data itself.
        self.writer.write(bytes([0x80 | opcode]) + size + bytes(4) + data)

    async def read(self) -> bytes:
        """The next bytes; none at a clean end."""
        while True:
            try:
                first, second = await self.reader.readexactly(2)
                length = second & 0x7F
                if length >= 126:
                    size = await self.reader.readexactly(2 if length == 126 else 8)
                    length = int.from_bytes(size, "big")
                if first & 0x70 or second & 0x80 or length > LONGEST_MESSAGE:
                    raise Lost("what came is no WebSocket message that a server may send here")
                data = await self.reader.readexactly(length)
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


class Carrier:
    """Bytes to and from an agent that has proved who it is."""

    def __init__(self, socket: WebSocket, identity: Identity):
        self.socket = socket
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        # Judged by `prove`: the rule is Fairlead's own.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["fairlead/1"])
        context.load_cert_chain(identity.chain, identity.leaf_key)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)

    @staticmethod
    async def dial(url: str, identity: Identity, pin: str, folder: Path) -> Carrier:
        """Resolves when the agent with the pinned fingerprint is at the other end, before anything was said to it."""
        carrier = Carrier(await WebSocket.dial(url), identity)
        try:
            await asyncio.wait_for(carrier._shake_hands(), 10)
            if carrier.tls.selected_alpn_protocol() != "fairlead/1" or carrier.tls.session_reused:
                raise Untrusted("the handshake is not one of Fairlead's")
            prove(carrier._shown(), pin, folder)
        except BaseException:
            carrier.socket.close()
            raise
        return carrier

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
            self.socket.write(data)

    async def drained(self) -> None:
        """Resolves when little waits to be written."""
        await self.socket.writer.drain()

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
