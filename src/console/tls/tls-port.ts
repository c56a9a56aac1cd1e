/** TLS on the console's port, beside clear text: the handshake, and what is spoken inside, which ALPN says. */
import type { Socket } from "node:net";
import { createSecureContext, createServer, type SecureContext, type TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { clientOf } from "../client-connections.ts";
import { consoleName, type KeyPair, type ServedCertificate } from "./served-certificate.ts";

export interface TlsPort {
  /** Takes a connection of which the first bytes are still to be read. */
  accept(socket: Socket): void;
  /** Ends handshakes that have not come to an end. */
  close(): void;
}

export interface TlsPortDeps {
  readonly certificate: Pick<ServedCertificate, "current" | "own">;
  /** What a client gets that speaks HTTP/1.1, or does not say what it speaks. */
  http1(socket: TLSSocket): void;
  http2(socket: TLSSocket): void;
  readonly clock: Clock;
  readonly log: Log;
}

/** A handshake takes a few round trips. Milliseconds. */
const handshakeMs = 10_000;

export function createTlsPort(deps: TlsPortDeps): TlsPort {
  const { certificate, clock, log } = deps;
  const shaking = new Map<string, () => void>();
  const handshakes = new Set<Socket>();
  let shown: KeyPair | undefined;
  let own: { readonly pair: KeyPair; readonly context: SecureContext } | undefined;
  const SNICallback = (name: string, show: (error: Error | null, context?: SecureContext) => void): void => {
    show(null, name === consoleName ? ownContext() : undefined);
  };
  const ownContext = (): SecureContext => {
    const pair = certificate.own();
    if (own?.pair !== pair) own = { pair, context: createSecureContext(contextOf(pair)) };
    return own.context;
  };
  const server = createServer({ ALPNProtocols: ["h2", "http/1.1"], SNICallback }, (socket) => {
    // For good: a client can break the connection off at any time, and each protocol listens for itself.
    socket.on("error", (error: Error) => log.debug({ err: error }, "a TLS connection failed"));
    shaking.get(clientOf(socket))?.();
    if (socket.alpnProtocol === "h2") deps.http2(socket);
    else deps.http1(socket);
  });
  server.on("tlsClientError", (error, socket) => {
    log.debug({ err: error }, "a TLS handshake failed");
    socket.destroy();
  });

  /** Setting it costs more than a handshake. */
  function show(pair: KeyPair): void {
    if (pair === shown) return;
    shown = pair;
    server.setSecureContext(contextOf(pair));
  }

  return {
    accept(socket) {
      show(certificate.current());
      const client = clientOf(socket);
      const late = clock.after(handshakeMs, () => socket.destroy());
      late.unref?.();
      const settle = (): void => {
        late.cancel();
        shaking.delete(client);
        handshakes.delete(socket);
      };
      shaking.set(client, settle);
      handshakes.add(socket);
      socket.once("close", settle);
      server.emit("connection", socket);
    },
    close() {
      for (const socket of handshakes) socket.destroy();
    },
  };
}

function contextOf({ certPem, keyPem }: KeyPair) {
  return { cert: certPem, key: keyPem.reveal(), minVersion: "TLSv1.2" } as const;
}
