/** What a dial on a session reaches: a port of an app, wherever it runs. */
import { ConnectError } from "@connectrpc/connect";
import { errorText } from "../base/error-text.ts";
import { join } from "../base/join.ts";
import type { AppDialer } from "../tunnel/entry.ts";
import { readTarget } from "../tunnel/target.ts";
import { type TunnelFailure, toTunnelError } from "../tunnel/tunnel-error.ts";
import { Reason } from "../wire/reason.ts";
import type { IncomingDial } from "../wire/session.ts";
import type { Principal } from "./auth/principal.ts";

/** Header of a dial's metadata: the peer, where an app runs at several. */
const peerHeader = "fairlead-peer";

export interface SessionDialDeps {
  /** The peer that runs it, and which RemoteApp it is. Throws a ConnectError when there is none. */
  find(app: { namespace: string; name: string }, peer: string | undefined): { peer: string; uid: string };
  readonly dial: AppDialer;
}

/** Answers dials of who is signed in; returns at once and never throws. */
export function createSessionDial(deps: SessionDialDeps): (dial: IncomingDial, principal: Principal) => void {
  async function answer(incoming: IncomingDial, principal: Principal): Promise<void> {
    const read = readTarget(incoming.target);
    if (!read.ok) {
      const reason = read.reason === "unsupported" ? Reason.UNSUPPORTED : Reason.NOT_FOUND;
      return incoming.refuse(reason, read.message);
    }
    const { target } = read;
    const found = deps.find(target, incoming.metadata.get(peerHeader) ?? undefined);
    const to = { peer: found.peer, target: { ...target, uid: found.uid }, person: principal.name };
    const stream = await deps.dial(to, incoming.signal);
    if (incoming.signal.aborted) {
      stream.destroy();
      return;
    }
    await join(incoming.accept(), stream);
  }

  return (incoming, principal) => {
    answer(incoming, principal).catch((error: unknown) => {
      if (error instanceof ConnectError) return incoming.refuse(Reason.NOT_FOUND, error.rawMessage);
      const failure = toTunnelError(error);
      incoming.refuse(reasonOf[failure.failure], errorText(failure));
    });
  };
}

const reasonOf: Readonly<Record<TunnelFailure, Reason>> = {
  "not-found": Reason.NOT_FOUND,
  denied: Reason.DENIED,
  "not-ready": Reason.NOT_READY,
  away: Reason.UNREACHABLE,
  overloaded: Reason.OVERLOADED,
  timeout: Reason.DEADLINE,
  broken: Reason.UNREACHABLE,
  cancelled: Reason.CANCELLED,
};
