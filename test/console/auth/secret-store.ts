/** Secrets as an API server keeps them, whose news can be held back. */
import { abortable } from "../../../src/base/abort.ts";
import { systemClock } from "../../../src/base/clock.ts";
import type { KubeClient } from "../../../src/kube/client.ts";
import { createObjectStore } from "../../../src/standalone/object-store.ts";

export interface SecretStore {
  readonly client: KubeClient;
  /** Until the answer is called, no watch tells anything. */
  holdNews(): () => void;
}

export function createSecretStore(): SecretStore {
  const values = new Map<string, string>();
  let sequence = 0;
  let held: Promise<void> | undefined;
  const client = createObjectStore({
    journal: {
      values,
      get sequence() {
        return sequence;
      },
      async write(decide) {
        const change = decide(values, sequence + 1);
        if (!change) return;
        sequence += 1;
        if (change.value === undefined) values.delete(change.key);
        else values.set(change.key, change.value);
      },
    },
    onWrite: () => undefined,
    clock: systemClock,
  });
  return {
    client: {
      ...client,
      async *watch(kind, options, signal) {
        for await (const event of client.watch(kind, options, signal)) {
          if (held) await abortable(held, signal);
          yield event;
        }
      },
    },
    holdNews() {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return () => {
        held = undefined;
        resolve();
      };
    },
  };
}
