import { setImmediate as turn } from "node:timers/promises";
import type { PeerStatus } from "../../src/gen/fairlead/resources/v1alpha1/peer_pb.ts";
import type { InviteRecord, InviteStore, StoredInvite } from "../../src/peering/invite-record.ts";
import type { PeerStore, StoredPeer } from "../../src/peering/peer.ts";

/** Peers as a cluster keeps them: one step decides, and turns of the event loop pass around it. */
export interface MemoryPeerStore extends PeerStore {
  readonly stored: Map<string, StoredPeer>;
  readonly statuses: Map<string, PeerStatus>;
  /** As kubectl would: no questions, no versions. */
  delete(name: string): void;
  /** Called before each write; may throw, as an API server does. */
  beforePut: (name: string) => void;
}

export function createMemoryPeerStore(): MemoryPeerStore {
  const stored = new Map<string, StoredPeer>();
  const statuses = new Map<string, PeerStatus>();
  const listeners = new Set<(name: string, stored: StoredPeer | undefined) => void>();
  let version = 0;
  // The watch tells later, in order, as it does in a cluster.
  const tell = (name: string, record: StoredPeer | undefined): void => {
    setImmediate(() => {
      for (const listener of listeners) listener(name, record);
    });
  };
  const store: MemoryPeerStore = {
    stored,
    statuses,
    beforePut: () => undefined,
    watch(listener) {
      listeners.add(listener);
      for (const [name, record] of stored) listener(name, record);
      return () => listeners.delete(listener);
    },
    async synced() {},
    async get(name) {
      await turn();
      return stored.get(name);
    },
    async put(record, expected) {
      await turn();
      const { name } = record.peer;
      store.beforePut(name);
      const present = stored.get(name);
      if (present?.version !== expected) return undefined;
      version += 1;
      const next = { ...record, version: String(version), generation: (present?.generation ?? 0) + 1 };
      stored.set(name, next);
      tell(name, next);
      return next;
    },
    writeStatus(name, status) {
      statuses.set(name, status);
    },
    delete(name) {
      stored.delete(name);
      tell(name, undefined);
    },
    async close() {},
  };
  return store;
}

export interface MemoryInviteStore extends InviteStore {
  readonly stored: Map<string, StoredInvite>;
}

export function createMemoryInviteStore(): MemoryInviteStore {
  const stored = new Map<string, StoredInvite>();
  let version = 0;
  // Through JSON, as in a Secret: nothing that JSON cannot say may matter.
  const write = (record: InviteRecord): StoredInvite => {
    version += 1;
    const next = { record: JSON.parse(JSON.stringify(record)), version: String(version) };
    stored.set(record.id, next);
    return next;
  };
  return {
    stored,
    async list() {
      await turn();
      return [...stored.values()];
    },
    async get(id) {
      await turn();
      return stored.get(id);
    },
    async create(record) {
      await turn();
      if (stored.has(record.id)) return false;
      write(record);
      return true;
    },
    async update(record, expected) {
      await turn();
      return stored.get(record.id)?.version === expected ? write(record) : undefined;
    },
    async delete(id) {
      stored.delete(id);
    },
  };
}
