/** Both ends of the way of an image without Kubernetes: a host's door, a real wire session, and the origin's end before a registry. */
import { createSecretKey, randomBytes } from "node:crypto";
import { duplexPair } from "node:stream";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { SecretText } from "../../src/base/secret-text.ts";
import { createImageDoor, type ImageDoor } from "../../src/images/host/door.ts";
import { createPeerImages } from "../../src/images/host/peer-images.ts";
import { createPullPasswords } from "../../src/images/host/pull-secret.ts";
import { createImageServer, type ImageServer } from "../../src/images/origin/image-server.ts";
import { createUpstream } from "../../src/images/origin/upstream.ts";
import type { PeeringAuditEntry } from "../../src/peering/audit-entry.ts";
import { namingStream } from "../../src/peering/switchboard.ts";
import type { EffectivePolicy } from "../../src/policy/effective-policy.ts";
import { permitPull } from "../../src/policy/pulls.ts";
import { Reason } from "../../src/wire/reason.ts";
import { openSession, type Session } from "../../src/wire/session.ts";
import { policyOf } from "../policy/given.ts";
import { user } from "./registry.ts";

export interface TwoEnds extends AsyncDisposable {
  readonly door: ImageDoor;
  readonly server: ImageServer;
  readonly session: Session;
  /** Where a node pulls, such as `http://127.0.0.1:40123/v2`. */
  readonly url: string;
  /** The header of a node that has the peer's pull secret. */
  authorization(peer?: string): string;
  /** A node's request for what is below `/v2/`. */
  pull(path: string, init?: RequestInit): Promise<Response>;
  /** The origin's policy for the host, and whether the host lets the origin bring images. */
  policy: EffectivePolicy;
  mayPull: boolean;
  readonly audited: { readonly host: PeeringAuditEntry[]; readonly origin: PeeringAuditEntry[] };
}

const fingerprints: ReadonlyMap<string, string> = new Map([
  ["tokyo", "0a".repeat(32)],
  ["osaka", "0b".repeat(32)],
]);

/** `tokyo` is the origin, as the host calls it; its policy shares everything in `registry`. */
export async function startTwoEnds(registry: string, o: { maxPerPeer?: number } = {}): Promise<TwoEnds> {
  const [a, b] = duplexPair({ highWaterMark: 128 * 1024 });
  const signal = AbortSignal.timeout(30_000);
  const clock = systemClock;
  const audited: TwoEnds["audited"] = { host: [], origin: [] };
  const upstream = createUpstream({ clock });
  const server = createImageServer({
    permit: (_caller, place) => permitPull(ends.policy, place),
    findAccess: async () => ({
      registry,
      base: `http://${registry}`,
      key: registry,
      credentials: { username: user.username, password: new SecretText(user.password) },
    }),
    upstream,
    record: { note: (_by, entry) => void audited.origin.push(entry) },
    clock,
    log: silentLog,
    ...o,
  });
  const hello = (): { instance: Uint8Array; version: string } => ({ instance: randomBytes(16), version: "test" });
  const [session, far] = await Promise.all([
    openSession({ carrier: a, side: "low", hello: hello(), clock, accept: () => undefined }, signal),
    openSession(
      {
        carrier: b,
        side: "high",
        hello: hello(),
        clock,
        accept(incoming) {
          if (incoming.kind !== "dial") return;
          server.open({ fingerprint: "0c".repeat(32), peer: "host", guest: false }, incoming);
        },
      },
      signal,
    ),
  ]);
  const passwords = createPullPasswords(createSecretKey(Buffer.alloc(32, 7)));
  const door = createImageDoor({
    ask: createPeerImages((_peer, target, options) => session.dial(target, namingStream(session, options ?? {}))),
    passwords,
    fingerprintOf: (peer) => fingerprints.get(peer),
    mayPull: () => ends.mayPull,
    audit: { record: (entry) => audited.host.push(entry) },
    clock,
    log: silentLog,
  });
  const { port } = await door.listen(0, "127.0.0.1");
  const url = `http://127.0.0.1:${port}/v2`;
  const ends = {
    door,
    server,
    session,
    url,
    audited,
    policy: imagePolicy([{ registry, plainHttp: true }]),
    mayPull: true,
    authorization(peer = "tokyo") {
      const password = passwords.of({ peer, fingerprint: fingerprints.get(peer) ?? "" }).reveal();
      return `Basic ${Buffer.from(`${peer}:${password}`).toString("base64")}`;
    },
    pull(path: string, init: RequestInit = {}) {
      const headers = { authorization: ends.authorization(), ...init.headers };
      return fetch(`${url}/${path}`, { ...init, headers });
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([door.close(), server.close()]);
      upstream.close();
      session.close({ reason: Reason.SHUTDOWN, message: "The test is over." });
      await Promise.all([session.closed, far.closed]);
    },
  };
  return ends;
}

export function imagePolicy(
  registries: { registry: string; repositories?: string[]; plainHttp?: boolean }[],
): EffectivePolicy {
  return policyOf({ images: { registries } });
}
