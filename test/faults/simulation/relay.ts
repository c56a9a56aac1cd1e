/** A third agent that carries a carrier: a stream that one neighbour dials through it to another, who takes it for a connection. */
import type { Duplex } from "node:stream";
import { create } from "@bufbuild/protobuf";
import { type Target, TargetSchema } from "../../../src/gen/fairlead/wire/v1/target_pb.ts";
import { DialError, Reason } from "../../../src/wire/reason.ts";
import type { IncomingDial, Session } from "../../../src/wire/session.ts";

/** Asked of the relay: a connection to that agent. */
const onward = "onward";
/** Asked by the relay: to take a connection from that agent. */
const from = "from";

export interface RelayDeps {
  /** The session with a neighbour, if there is one. */
  session(peer: string): Session | undefined;
  /** Takes a connection that a neighbour has asked for. */
  take(peer: string, carrier: Duplex): void;
}

/** Both halves of it: what carries, and what is carried to. */
export class Relay {
  readonly #deps: RelayDeps;
  readonly #carried = new Set<Duplex>();

  constructor(deps: RelayDeps) {
    this.#deps = deps;
  }

  /** Asks the other end of the session for a connection to a neighbour of its own. */
  static dial(session: Session, peer: string, signal: AbortSignal): Promise<Duplex> {
    return session.dial(target(onward, peer), { signal });
  }

  /** True when it was a relay's business. */
  serve(incoming: IncomingDial, asker: string): boolean {
    const { kind } = incoming.target;
    const [what, peer] = kind.case === "service" ? [kind.value.namespace, kind.value.name] : [];
    if (what === from && peer !== undefined) this.#deps.take(peer, incoming.accept());
    else if (what === onward && peer !== undefined) void this.#carry(incoming, asker, peer);
    else return false;
    return true;
  }

  /** Lets one go, with no word to anybody. */
  drop(): void {
    const [first] = this.#carried;
    first?.destroy();
  }

  async #carry(incoming: IncomingDial, asker: string, peer: string): Promise<void> {
    const session = this.#deps.session(peer);
    if (session === undefined) {
      incoming.refuse(Reason.UNREACHABLE, "There is no link to it.");
      return;
    }
    try {
      const far = await session.dial(target(from, asker), { signal: incoming.signal });
      if (incoming.signal.aborted) far.destroy();
      else this.#join(incoming.accept(), far);
    } catch (error) {
      if (!(error instanceof DialError)) throw error;
      incoming.refuse(Reason.UNREACHABLE, "It did not take the connection.");
    }
  }

  #join(near: Duplex, far: Duplex): void {
    this.#carried.add(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.pipe(other);
      one.on("close", () => {
        this.#carried.delete(near);
        if (!one.readableEnded || !one.writableFinished) other.destroy();
      });
    }
  }
}

function target(namespace: string, name: string): Target {
  return create(TargetSchema, { kind: { case: "service", value: { namespace, name } } });
}
