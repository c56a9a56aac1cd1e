/** A connection to where a URL leads, with TLS where it says https. */
import { connect as connectTcp } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";

/** Whom to believe that it is who is meant, in place of all the roots that this machine knows, and of the name in the URL. */
export interface PinnedServer {
  /** PEM. */
  readonly ca: string;
  readonly servername: string;
}

/** Rejects with why not, or with the signal's reason. */
export function dialUrl(url: string, signal: AbortSignal, pinned?: PinnedServer): Promise<Duplex> {
  const { protocol, hostname, port } = new URL(url);
  const isTls = protocol === "https:";
  const host = hostname.replace(/^\[|\]$/g, "");
  const to = { host, port: Number(port || (isTls ? 443 : 80)) };
  return new Promise((resolve, reject) => {
    const socket = isTls
      ? connectTls({ ...to, ALPNProtocols: ["http/1.1"], ...(!isAddress(host) && { servername: host }), ...pinned })
      : connectTcp(to);
    const onAbort = (): void =>
      void socket.destroy(signal.reason instanceof Error ? signal.reason : new Error("ended"));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    socket.setNoDelay(true);
    const settled = (): void => signal.removeEventListener("abort", onAbort);
    socket.once("error", (error) => {
      settled();
      reject(error);
    });
    socket.once(isTls ? "secureConnect" : "connect", () => {
      settled();
      socket.removeAllListeners("error");
      resolve(socket);
    });
  });
}

function isAddress(host: string): boolean {
  return /^[0-9.]+$/.test(host) || host.includes(":");
}
