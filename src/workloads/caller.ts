import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { IntentCaller } from "../intent/host.ts";
import { callerKey } from "../rpc/caller.ts";

/** Who calls, as the link proves it. Throws PermissionDenied for anybody who is no peer. */
export function callingPeer(context: HandlerContext): IntentCaller {
  const { guest, peer, fingerprint } = context.values.get(callerKey);
  if (guest || peer === undefined)
    throw new ConnectError("only a peer may call this; pair first", Code.PermissionDenied);
  return { peer, fingerprint };
}
