"""Who one is and who the other is: docs/carrier.md §1 and §4. Certificates are made and judged by the program `openssl`."""

from __future__ import annotations

import functools
import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

# What the DER of each SubjectPublicKeyInfo on P-256 begins with (RFC 5480).
P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")


class Untrusted(Exception):
    """The other end is not who it should be."""


@dataclass(frozen=True)
class Identity:
    fingerprint: str
    # PEM: the leaf and behind it its CA.
    chain: Path
    leaf_key: Path


def openssl(*args: str, data: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *args], input=data, capture_output=True, timeout=30)
    if done.returncode != 0:
        raise Untrusted(f"openssl {args[0]}: {done.stderr.decode().strip()}")
    return done.stdout


def fingerprint_of(public_key: bytes) -> str:
    """Of a SubjectPublicKeyInfo in DER."""
    return hashlib.sha256(public_key).hexdigest()


def make_identity(folder: Path, other: str, side: str) -> Identity:
    """A new CA and a leaf. Whether it is the low or the high end of a link with `other` is luck, so it is tried until it is."""
    folder.mkdir(parents=True)
    ca_key, ca, leaf_key, leaf, chain = (folder / name for name in ("ca.key", "ca.pem", "leaf.key", "leaf.pem", "chain.pem"))
    fingerprint = other
    while (fingerprint < other) != (side == "low") or fingerprint == other:
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(ca_key))
        fingerprint = fingerprint_of(openssl("pkey", "-in", str(ca_key), "-pubout", "-outform", "DER"))
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(leaf_key))
    config = folder / "openssl.cnf"
    config.write_text(
        "[req]\ndistinguished_name=name\n[name]\n"
        "[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
        "[leaf]\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        f"extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=URI:fairlead:agent:{fingerprint}\n"
    )
    settings = ("-config", str(config), "-sha256", "-new")
    openssl("req", *settings, "-x509", "-extensions", "ca", "-key", str(ca_key), "-subj", "/CN=an agent in Python",
            "-days", "3650", "-out", str(ca))  # fmt: skip
    asked = openssl("req", *settings, "-key", str(leaf_key), "-subj", "/CN=a leaf")
    # Not backdated: the peer in these tests has the same clock.
    openssl("x509", "-req", "-CA", str(ca), "-CAkey", str(ca_key), "-set_serial", "1", "-days", "1", "-sha256",
            "-extfile", str(config), "-extensions", "leaf", "-out", str(leaf), data=asked)  # fmt: skip
    chain.write_bytes(leaf.read_bytes() + ca.read_bytes())
    return Identity(fingerprint, chain, leaf_key)


def prove(chain: list[bytes], pins: list[str], purpose: str, folder: Path) -> str:
    """The rule of carrier.md §4: which of the pinned agents the other end is. `chain` is what TLS was shown, in DER; `purpose` is
    "sslserver" at the end that dialled, "sslclient" at the other."""
    if not 2 <= len(chain) <= 4 or any(len(der) > 4096 for der in chain):
        raise Untrusted("the chain is too short or too long")
    keys = [public_key(der) for der in chain]
    pinned = [at for at, key in enumerate(keys) if fingerprint_of(key) in pins]
    if not pinned:
        raise Untrusted("no certificate in the chain has a pinned key")
    if any(not key.startswith(P256) for key in (keys[0], keys[pinned[0]])):
        raise Untrusted("a key is not on P-256")
    leaf, ca = folder / "other-leaf.pem", folder / "other-ca.pem"
    leaf.write_bytes(pem(chain[0]))
    ca.write_bytes(pem(chain[pinned[0]]))
    if b"CA:TRUE" in openssl("x509", "-in", str(leaf), "-noout", "-text"):
        raise Untrusted("the leaf is a CA")
    # The pinned CA is the only root, and nothing else of the chain is looked at: signature, issuer's name, dates and usage.
    openssl("verify", "-no-CAfile", "-no-CApath", "-trusted", str(ca), "-purpose", purpose, str(leaf))
    return fingerprint_of(keys[pinned[0]])


@functools.cache
def public_key(der: bytes) -> bytes:
    text = openssl("x509", "-inform", "DER", "-noout", "-pubkey", data=der)
    return openssl("pkey", "-pubin", "-outform", "DER", data=text)


@functools.cache
def pem(der: bytes) -> bytes:
    return openssl("x509", "-inform", "DER", data=der)
