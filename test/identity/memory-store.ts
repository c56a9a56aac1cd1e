import type { IdentityStore, StoredIdentity } from "../../src/identity/store.ts";

/** A store that decides as a Kubernetes Secret does: in one step, with turns of the event loop around it. */
export function createMemoryStore(): IdentityStore & { stored: StoredIdentity | undefined; creates: number } {
  return {
    stored: undefined,
    creates: 0,
    async read() {
      await turn();
      return this.stored;
    },
    async create(identity) {
      await turn();
      this.creates += 1;
      if (this.stored) return "exists";
      this.stored = identity;
      await turn();
      return "created";
    },
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
