/** `PeerService`: pairing, and the peers that came of it. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type Invite,
  InviteSchema,
  type PeerService,
  JoinResponse_State as State,
} from "../../gen/fairlead/console/v1/peer_service_pb.ts";
import type { Peer as PeerResource } from "../../kube/resources.ts";
import { milliTimeText } from "../../kube/time.ts";
import { setGrants } from "../../peering/grants.ts";
import type { InviteRecord } from "../../peering/invite-record.ts";
import type { Invites } from "../../peering/invites.ts";
import type { JoinOptions, JoinProgress } from "../../peering/joiner.ts";
import type { Peer } from "../../peering/peer.ts";
import { noSuchPeer } from "../../peering/roster.ts";
import { viewOf } from "../access/decide.ts";
import { principalKey } from "../auth/principal.ts";
import type { Listing } from "./listing.ts";
import { inviteList, peerList } from "./lists.ts";
import { toPeer } from "./object.ts";

export interface PeerServiceDeps {
  /** The peers as they are stored, without those that were removed. */
  readonly peers: {
    list(): readonly PeerResource[];
    get(name: string): PeerResource | undefined;
    /** As it is stored right now, for one who has just written it. */
    read(name: string, signal: AbortSignal): Promise<PeerResource | undefined>;
  };
  readonly invites: Pick<Invites, "create" | "list" | "revoke" | "decide">;
  update(name: string, change: (peer: Peer) => Peer, signal: AbortSignal): Promise<unknown>;
  /** Throws when the peer cannot be reached through these. */
  checkRelays(name: string, relays: readonly string[]): void;
  /** Dials now. Throws when there is no such peer. */
  reconnect(name: string): void;
  /** Ends the pairing on both sides, once the peer has ended what may run elsewhere, or has had the time for it. */
  remove(
    name: string,
    options: { deleteWorkloads: boolean; person: string | undefined },
    signal: AbortSignal,
  ): Promise<{ told: boolean; workloads: number; appsEnded: number; appsLeft: number }>;
  /** The time, in milliseconds since 1970. */
  now(): number;
  /** Uses an invite; tells each step. */
  join(invite: string, options: JoinOptions, signal: AbortSignal): AsyncIterable<JoinProgress>;
}

const states = {
  dialling: State.DIALLING,
  proved: State.PROVED,
  waiting: State.WAITING,
  joined: State.JOINED,
} as const;

export function createPeerService(deps: PeerServiceDeps, listing: Listing): ServiceImpl<typeof PeerService> {
  const { peers, invites } = deps;

  async function read(name: string, signal: AbortSignal): Promise<{ peer: ReturnType<typeof toPeer> }> {
    const found = await peers.read(name, signal);
    if (found) return { peer: toPeer(found) };
    throw noSuchPeer(name);
  }

  return {
    listPeers(request, { values }) {
      const view = viewOf(values.get(principalKey));
      const all = peers.list().filter(({ metadata }) => view(metadata.name ?? ""));
      const { items, ...page } = listing(peerList, all, request);
      return { ...page, peers: items.map(toPeer) };
    },

    getPeer({ name }) {
      const found = peers.get(name);
      if (found) return { peer: toPeer(found) };
      throw noSuchPeer(name);
    },

    async updatePeer({ name, grants, labels, relays }, { signal }) {
      if (relays) deps.checkRelays(name, relays.names);
      const change = (peer: Peer): Peer => ({
        ...(grants ? setGrants(peer, grants.values, milliseconds(grants.lastsSeconds), deps.now()) : peer),
        labels: mergeLabels(peer.labels, labels),
        ...(relays && { relays: relays.names }),
      });
      await deps.update(name, change, signal);
      return read(name, signal);
    },

    reconnectPeer({ name }) {
      deps.reconnect(name);
      return {};
    },

    async removePeer({ name, deleteWorkloads }, { signal, values }) {
      const person = values.get(principalKey)?.name;
      const { told, ...counts } = await deps.remove(name, { deleteWorkloads, person }, signal);
      return { peerTold: told, ...counts };
    },

    async createInvite(request, { signal, values }) {
      const { name, grants, labels, lifetimeSeconds, grantsLastSeconds, confirm, url, reuseName, relays } = request;
      const { record, line } = await invites.create(
        {
          ...(name && { name }),
          ...(url && { url }),
          ...(lifetimeSeconds > 0n && { lifetimeMs: Number(lifetimeSeconds) * 1000 }),
          ...(grantsLastSeconds > 0n && { grantsLastMs: Number(grantsLastSeconds) * 1000 }),
          grants,
          labels,
          confirm,
          reuseName,
          relays,
          person: values.get(principalKey)?.name,
        },
        signal,
      );
      return { invite: toInvite(record), line };
    },

    async listInvites(request, { signal }) {
      const { items, ...page } = listing(inviteList, await invites.list(signal), request);
      return { ...page, invites: items.map(toInvite) };
    },

    async revokeInvite({ id }, { signal }) {
      await invites.revoke(id, signal);
      return {};
    },

    async decideJoin({ id, accept }, { signal }) {
      await invites.decide(id, accept ? "accepted" : "declined", signal);
      return {};
    },

    async *join({ invite, name, grants, labels, reuseName, grantsLastSeconds }, { signal, values }) {
      const person = values.get(principalKey)?.name;
      const lasting = grantsLastSeconds > 0n && { grantsLastMs: Number(grantsLastSeconds) * 1000 };
      const options = { grants, labels, reuseName, person, ...(name && { name }), ...lasting };
      for await (const step of deps.join(invite, options, signal)) {
        yield {
          state: states[step.step],
          ...("words" in step && { words: step.words }),
          ...(step.step === "joined" && (await read(step.peer.name, signal))),
        };
      }
    },
  };
}

/** An empty value takes the label away. */
function mergeLabels(
  before: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(Object.entries({ ...before, ...changes }).filter(([, value]) => value !== ""));
}

function milliseconds(seconds: Readonly<Record<string, bigint>>): Record<string, number> {
  return Object.fromEntries(Object.entries(seconds).map(([name, count]) => [name, Number(count) * 1000]));
}

export function toInvite(record: InviteRecord): Invite {
  const { id, name, grants, labels, expiresAt, confirm, urls, relays = [], claim } = record;
  const waits = confirm && claim !== undefined && claim.decision === undefined;
  return create(InviteSchema, {
    id,
    name: name ?? "",
    grants: [...grants],
    labels,
    expiresAt: milliTimeText(expiresAt),
    confirm,
    url: urls[0] ?? "",
    relays: [...relays],
    ...(waits && { pending: { fingerprint: claim.fingerprint, name: claim.name, words: claim.words } }),
  });
}
