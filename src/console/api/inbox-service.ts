/** `InboxService`: what waits for a person here, and what they say about it. */
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  type InboxItem,
  type InboxService,
  InboxItem_State as State,
} from "../../gen/fairlead/console/v1/inbox_service_pb.ts";
import { viewOf } from "../access/decide.ts";
import { principalKey } from "../auth/principal.ts";
import {
  appItem,
  type HeldApp,
  type HeldTunnel,
  inboxItems,
  tunnelHash,
  tunnelItem,
  tunnelName,
} from "./inbox-item.ts";
import type { Listing } from "./listing.ts";
import { inboxList } from "./lists.ts";

/** A person's word. */
export interface Ruling {
  readonly verdict: "Approved" | "Denied";
  /** Who it is, as the door knows them. */
  readonly by: string;
  /** For the peer and for the record; may be empty. */
  readonly message: string;
  /** For how long it holds; as the policy says, or for ever, unless given. */
  readonly lastsMs?: number;
}

export interface InboxServiceDeps {
  readonly apps: {
    /** Those that wait, and those about which somebody decided what still counts. */
    held(): readonly HeldApp[];
    heldItem(name: string): HeldApp | undefined;
    /** Decides about exactly what the hash names. Throws when it was changed, or is no more. */
    decide(name: string, ruling: Ruling & { readonly hash: string }, signal: AbortSignal): Promise<HeldApp>;
  };
  readonly tunnels: {
    pending(): readonly HeldTunnel[];
    /** Throws when another agent bears the peer's name now, or nothing is known of the target. */
    decide(
      peer: string,
      target: string,
      ruling: Ruling & { readonly fingerprint: string },
      signal: AbortSignal,
    ): Promise<HeldTunnel>;
  };
}

export function createInboxService(deps: InboxServiceDeps, listing: Listing): ServiceImpl<typeof InboxService> {
  const { apps, tunnels } = deps;
  const findTunnel = (name: string): HeldTunnel | undefined =>
    tunnels.pending().find((tunnel) => tunnelName(tunnel) === name);

  async function decide(
    { name, hash }: { readonly name: string; readonly hash: string },
    ruling: Ruling,
    signal: AbortSignal,
  ): Promise<InboxItem> {
    if (apps.heldItem(name)) return appItem(await apps.decide(name, { ...ruling, hash }, signal));
    const tunnel = findTunnel(name);
    if (!tunnel) throw noSuchItem(name);
    const { peer, target, fingerprint } = tunnel;
    if (hash !== tunnelHash(tunnel)) throw changed(name);
    return tunnelItem(await tunnels.decide(peer, target, { ...ruling, fingerprint }, signal));
  }

  return {
    listInbox(request, { values }) {
      const { peer, decided } = request;
      const view = viewOf(values.get(principalKey));
      const items = inboxItems(apps.held(), tunnels.pending());
      const isWanted = (item: InboxItem): boolean =>
        view(item.peer) && (peer === "" || item.peer === peer) && (decided || item.state === State.HELD);
      return listing(inboxList, items.filter(isWanted), request);
    },

    getInboxItem({ name }) {
      const held = apps.heldItem(name);
      if (held) return { item: appItem(held) };
      const tunnel = findTunnel(name);
      if (tunnel) return { item: tunnelItem(tunnel) };
      throw noSuchItem(name);
    },

    async approveInboxItem({ name, hash, message, lastsSeconds }, context) {
      const lasts = lastsSeconds > 0n ? { lastsMs: Number(lastsSeconds) * 1000 } : {};
      const ruling: Ruling = { verdict: "Approved", by: deciderOf(context), message, ...lasts };
      return { item: await decide({ name, hash }, ruling, context.signal) };
    },

    async denyInboxItem({ name, hash, message }, context) {
      const ruling: Ruling = { verdict: "Denied", by: deciderOf(context), message };
      return { item: await decide({ name, hash }, ruling, context.signal) };
    },
  };
}

function deciderOf({ values }: HandlerContext): string {
  return values.get(principalKey)?.name ?? "unknown";
}

function noSuchItem(name: string): ConnectError {
  return new ConnectError(`nothing called ${name} waits or was decided here; see: fairlead inbox list`, Code.NotFound);
}

/** FAILED_PRECONDITION: who decides must have seen what it is now. */
function changed(name: string): ConnectError {
  return new ConnectError(
    `${name} was changed after it was shown, so nothing was decided; look at it as it is now: fairlead inbox get ${name}`,
    Code.FailedPrecondition,
  );
}
