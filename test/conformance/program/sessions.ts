/** Sessions of the real code over TCP on the loopback address. TLS and WebSocket are below them, and change nothing here. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { systemClock } from "../../../src/base/clock.ts";
import { Reason } from "../../../src/wire/reason.ts";
import { type IncomingRpc, openSession, type Session, type Side } from "../../../src/wire/session.ts";

type Serve = (incoming: IncomingRpc) => void;

const never = new AbortController().signal;
const sessions = new Set<Session>();

/** What is still open when a run does not come to its end: told on standard error when run.ts asks for it. */
export function tellWhatIsOpen(): void {
  process.on("SIGUSR2", () => {
    let open = 0;
    for (const session of sessions) for (const count of Object.values(session.stats().open)) open += count;
    console.error(`${sessions.size} sessions, ${open} streams open`);
  });
}

/** Listens for carriers; gives the port. */
export async function listen(serve: Serve): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    open(socket, "high", serve).catch((error: unknown) => console.error(error));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return portOf(server.address());
}

export async function dial(port: number): Promise<Session> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  return open(socket, "low", ({ stream }) => stream.reset(Reason.UNSUPPORTED, "Nothing is here."));
}

export function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("not a port of TCP");
  return address.port;
}

async function open(carrier: Socket, side: Side, serve: Serve): Promise<Session> {
  const session = await openSession(
    {
      carrier,
      side,
      clock: systemClock,
      hello: { instance: randomBytes(16), version: "conformance" },
      accept(incoming) {
        if (incoming.kind === "rpc") serve(incoming);
        else incoming.refuse(Reason.UNSUPPORTED, "Nothing is here.");
      },
      onDefect: (error) => console.error(error),
    },
    never,
  );
  sessions.add(session);
  void session.closed.then(() => sessions.delete(session));
  return session;
}
