import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { type Pin, type Verdict, verifyPeer } from "../identity/verify.ts";

/** Certificates that are taken from a handshake; `verifyPeer` refuses chains that are longer than it likes. */
const longestChain = 8;

/** What a finished handshake says of the other end, apart from the socket it was made on. */
export interface Handshake {
  readonly protocol: string | null;
  readonly alpn: string | false | null;
  readonly resumed: boolean;
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[];
}

/** Who is at the other end of a TLS socket whose handshake has just ended, or why nobody whom we talk to. */
export function judgePeer(socket: TLSSocket, alpn: string, pin: Pin, now: Date, usage: "client" | "server"): Verdict {
  return judgeHandshake(readHandshake(socket), alpn, pin, now, usage);
}

/** What the handshake that has just ended says. Ask a socket once: Node tells the other end's certificates only the first time. */
export function readHandshake(socket: TLSSocket): Handshake {
  return {
    protocol: socket.getProtocol(),
    alpn: socket.alpnProtocol,
    resumed: socket.isSessionReused(),
    chain: chainOf(socket.getPeerX509Certificate()),
  };
}

/** Pure. A resumed session is refused because its handshake proved possession of a secret from an earlier one, not of the key. */
export function judgeHandshake(
  handshake: Handshake,
  alpn: string,
  pin: Pin,
  now: Date,
  usage: "client" | "server",
): Verdict {
  if (handshake.protocol !== "TLSv1.3")
    return { ok: false, reason: `it speaks ${handshake.protocol ?? "no TLS"}, not TLS 1.3` };
  if (handshake.resumed) return { ok: false, reason: "it resumed an earlier TLS session instead of proving its key" };
  if (handshake.alpn !== alpn) return { ok: false, reason: `it did not name the protocol ${alpn} (ALPN)` };
  return verifyPeer(handshake.chain, pin, now, usage);
}

/** The chain as the other end sent it. */
function chainOf(leaf: X509Certificate | undefined): Uint8Array[] {
  const chain: Uint8Array[] = [];
  for (let next = leaf; next && chain.length < longestChain; next = next.issuerCertificate) chain.push(next.raw);
  return chain;
}
