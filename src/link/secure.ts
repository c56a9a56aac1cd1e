/**
 * Mutual TLS 1.3 inside any stream of bytes. Both ends prove possession of a key that their CA has signed; who the
 * other is follows from that and from nothing else. No byte is read or written above TLS before the other was judged.
 *
 * At the dialling end this resolves before the accepting end has judged: that end may still refuse. A carrier is up only
 * when the other's Hello has arrived.
 */
import { constants } from "node:crypto";
import type { Duplex } from "node:stream";
import { connect, createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { errorText } from "../base/error-text.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { Identity } from "../identity/identity.ts";
import type { Leaf } from "../identity/leaf.ts";
import type { Pin } from "../identity/verify.ts";
import { LinkError } from "./error.ts";
import { judgePeer } from "./peer-proof.ts";

/** The protocol inside TLS, by ALPN. A later incompatible wire is a later number. */
export const linkProtocol = "fairlead/1";

/** The three of RFC 8446, the cheapest on machines with AES instructions first. The key exchange is Node's default. */
const ciphers = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/** A stream that only the two ends can read, and who the other is. */
export interface SecureCarrier {
  readonly stream: Duplex;
  readonly fingerprint: Fingerprint;
  readonly caPem: string;
  /** When the first of the two leaves that were shown runs out, in milliseconds since 1970. */
  readonly provenUntil: number;
}

export interface Securer {
  /** Proves who we are to who dialled, and takes whoever proves who they are: a peer or a guest. */
  accept(carrier: Duplex, signal: AbortSignal): Promise<SecureCarrier>;
  /** Proves who we are to the end we dialled, which must be the pinned one. */
  dial(carrier: Duplex, pin: Pin & { fingerprint: Fingerprint }, signal: AbortSignal): Promise<SecureCarrier>;
}

/**
 * Both own the carrier from the call on: they destroy it when they reject, which is with `LinkError`, or with the signal's reason as soon
 * as that aborts. They have no time limit but the signal.
 */
export function createSecurer(deps: { identity: Identity; now(): number }): Securer {
  let cached: { leaf: Leaf; context: SecureContext } | undefined;

  function shownNow(): { leaf: Leaf; context: SecureContext } {
    const leaf = deps.identity.leaf();
    if (cached?.leaf !== leaf) cached = { leaf, context: contextOf(leaf, deps.identity.caPem) };
    return cached;
  }

  return {
    accept(carrier, signal) {
      const { leaf, context } = shownNow();
      const socket = new TLSSocket(carrier, {
        isServer: true,
        secureContext: context,
        requestCert: true,
        rejectUnauthorized: false, // Guests have CAs that nobody here knows: judgePeer decides.
        ALPNProtocols: [linkProtocol],
      });
      return settle(socket, carrier, "secure", {}, "client", { now: deps.now, leaf }, signal);
    },
    dial(carrier, pin, signal) {
      const { leaf, context } = shownNow();
      const socket = connect({
        socket: carrier,
        secureContext: context,
        rejectUnauthorized: false, // It would check a host name under public roots: judgePeer decides.
        ALPNProtocols: [linkProtocol],
      });
      return settle(socket, carrier, "secureConnect", pin, "server", { now: deps.now, leaf }, signal);
    },
  };
}

function contextOf(leaf: Leaf, caPem: string): SecureContext {
  return createSecureContext({
    cert: leaf.certPem,
    key: leaf.keyPem.reveal(),
    ca: caPem, // Decides nothing here, but keeps Node from loading its 150 public roots.
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    ciphers,
    sigalgs: "ecdsa_secp256r1_sha256",
    // A ticket would let a later handshake skip the proof of possession.
    secureOptions: constants.SSL_OP_NO_TICKET,
  });
}

function settle(
  socket: TLSSocket,
  carrier: Duplex,
  established: "secure" | "secureConnect",
  pin: Pin,
  usage: "client" | "server",
  { now, leaf }: { now(): number; leaf: Leaf },
  signal: AbortSignal,
): Promise<SecureCarrier> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      carrier.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(signal.reason);
    // Without a tls.Server around it, an accepting TLSSocket reports what goes wrong after the handshake by "_tlsError" alone
    // and lives on; a record that was tampered with must end it.
    socket.on("_tlsError", (error: Error) => socket.destroy(error));
    socket.on("error", (error) => fail(handshakeFailed(error)));
    socket.once("close", () => fail(handshakeFailed(carrier.errored ?? new Error("the other end hung up"))));
    socket.once(established, () => {
      const verdict = judgePeer(socket, linkProtocol, pin, new Date(now()), usage);
      if (!verdict.ok) {
        fail(new LinkError("untrusted", `The other end is refused: ${verdict.reason}.`));
        return;
      }
      signal.removeEventListener("abort", onAbort);
      const { fingerprint, caPem, notAfter } = verdict;
      const provenUntil = Math.min(notAfter.getTime(), leaf.notAfter.getTime());
      resolve({ stream: socket, fingerprint, caPem, provenUntil });
    });
    if (signal.aborted) onAbort();
    else if (carrier.destroyed) fail(handshakeFailed(carrier.errored ?? new Error("the carrier was closed")));
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

function handshakeFailed(cause: unknown): LinkError {
  return new LinkError("handshake", `The TLS handshake with the other end failed: ${errorText(cause)}.`, cause);
}
