/** What can be watched of this agent: the rooms below as sources of one log of changes, and the hub of all watches over it. */
import type { AuditLog } from "../audit/audit-log.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Reflector } from "../kube/reflector.ts";
import type { Peer } from "../kube/resources.ts";
import type { Peering } from "../peering/peering.ts";
import type { PolicyBook } from "../policy/policy-book.ts";
import type { KnownForward } from "../tunnel/forwards/forwards.ts";
import type { Workloads } from "../workloads/workloads.ts";
import type { Refuse } from "./access/refuser.ts";
import { type HeldTunnel, inboxItems } from "./api/inbox-item.ts";
import type { Authenticator } from "./auth/authenticator.ts";
import { ChangeLog } from "./watch/change-log.ts";
import type { Changing } from "./watch/object-source.ts";
import { type News, type OwnSourcesDeps, ownSources } from "./watch/own-sources.ts";
import type { PeopleSourcesDeps } from "./watch/people-sources.ts";
import { feedSources } from "./watch/sources.ts";
import { createWatchHub, type WatchHub } from "./watch/watch-hub.ts";

export interface ConsoleWatchDeps extends Omit<PeopleSourcesDeps, "clock" | "log"> {
  readonly peering: Peering;
  readonly peerObjects: Reflector<Peer>;
  readonly workloads: Pick<Workloads, "origin" | "host">;
  readonly policies: Pick<PolicyBook, "subscribe" | "subscribeToEach" | "synced">;
  readonly tunnelInbox: { pending(): readonly HeldTunnel[] } & News;
  readonly forwards: { list(signal: AbortSignal): Promise<KnownForward[]> } & News;
  readonly notifications: OwnSourcesDeps["notifications"];
  readonly health: OwnSourcesDeps["health"];
  readonly audit: Pick<AuditLog, "list" | "subscribe">;
  readonly authenticator: Pick<Authenticator, "present">;
  readonly refuse: Refuse;
  readonly clock: Clock;
  readonly log: Log;
}

export function createConsoleWatch(deps: ConsoleWatchDeps): WatchHub {
  const { peering, workloads, policies, clock } = deps;
  const { switchboard, roster } = peering;
  const log = new ChangeLog({ clock });
  const sources = feedSources(
    log,
    ownSources({
      ...deps,
      peers: knownPeers(deps.peerObjects),
      apps: { subscribe: workloads.origin.subscribe, synced: workloads.origin.synced },
      policies: { subscribe: policies.subscribeToEach, synced: policies.synced },
      inbox: inboxNews(deps),
      invites: peering.invites,
      orphans: { list: workloads.host.orphans, subscribe: (listener) => workloads.host.subscribe(() => listener()) },
      orphansAtPeers: { list: workloads.origin.orphans, subscribe: workloads.origin.subscribeToOrphans },
      links: {
        peers: () => roster.list().map(({ name }) => name),
        look: (peer) => switchboard.look(peer),
        subscribe: (listener) =>
          endAll([switchboard.subscribe(listener), roster.subscribe(({ name }) => listener(name))]),
      },
    }),
  );
  const hub = createWatchHub({
    log,
    sources,
    present: (credential) => deps.authenticator.present(credential),
    refuse: deps.refuse,
    clock,
  });
  return {
    watch: hub.watch,
    get size() {
      return hub.size;
    },
    close() {
      hub.close();
      sources.close();
      log.close();
    },
  };
}

/** A removed peer is kept as a record, and is no peer to anybody who asks. */
function knownPeers(peers: Reflector<Peer>): Changing<Peer> {
  return {
    synced: (signal) => peers.synced(signal),
    subscribe: (listener) => peers.subscribe((key, peer) => listener(key, peer?.spec.removal ? undefined : peer)),
  };
}

/** An item comes and goes with a wish, a dial, a policy, or what an operator says of the peer. */
export function inboxNews({
  workloads,
  tunnelInbox,
  policies,
  peering,
}: Pick<ConsoleWatchDeps, "workloads" | "tunnelInbox" | "policies" | "peering">): OwnSourcesDeps["inbox"] {
  return {
    list: () => inboxItems(workloads.host.held(), tunnelInbox.pending()),
    subscribe(listener) {
      const sources = [workloads.host.subscribe, tunnelInbox.subscribe, policies.subscribe, peering.roster.subscribe];
      return endAll(sources.map((subscribe) => subscribe(() => listener())));
    },
  };
}

function endAll(ends: readonly (() => void)[]): () => void {
  return () => {
    for (const end of ends) end();
  };
}
