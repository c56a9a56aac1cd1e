import { randomBytes } from "node:crypto";
import { systemClock as clock } from "../../src/base/clock.ts";
import { silentLog as log } from "../../src/base/log.ts";
import { loadIdentity } from "../../src/identity/identity.ts";
import { dialLink } from "../../src/link/dialer.ts";
import { Reason } from "../../src/wire/reason.ts";
import type { Session } from "../../src/wire/session.ts";
import { createMemoryStore } from "../../test/identity/memory-store.ts";

export interface DialledLink {
  readonly session: Session;
  close(): void;
}

/** Dials the agent there, as an agent of its own. */
export async function dialAsNewAgent(port: number, pin: string): Promise<DialledLink> {
  const identity = await loadIdentity({ store: createMemoryStore(), clock, log }, new AbortController().signal);
  const link = await dialLink(
    { identity, hello: { instance: randomBytes(16), version: "bench" }, clock, accept: () => undefined },
    { url: `ws://127.0.0.1:${port}/link`, pin },
    AbortSignal.timeout(20_000),
  );
  return {
    session: link.session,
    close() {
      link.close({ reason: Reason.SHUTDOWN, message: "The benchmark is over." });
      identity.close();
    },
  };
}
