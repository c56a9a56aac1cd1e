/**
 * The administrator's token, in a Secret, so that whoever may read Secrets in the agent's namespace can use the agent. The Secret is
 * watched: another token in it counts at once and the one before no more; with an empty one nobody is let in by it; and when the
 * Secret is deleted a new one is made, so that deleting it is how to change it. Only a hash stays in memory.
 */
import { createHash } from "node:crypto";
import type { AuditEntry } from "../../audit/entry.ts";
import { abortable } from "../../base/abort.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { Role } from "../../gen/fairlead/console/v1/access_pb.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isAlreadyExists } from "../../kube/errors.ts";
import { keyOf } from "../../kube/object.ts";
import { createReflector } from "../../kube/reflector.ts";
import { type Secret, secrets } from "../../kube/resources.ts";
import { decodeData, encodeData } from "../../kube/secret-data.ts";
import type { Way } from "./authenticator.ts";
import type { Principal } from "./principal.ts";
import { bearerToken, hashToken, isSameHash, mintToken } from "./token.ts";

/** The Secret and its key. */
export const adminTokenSecret = { name: "fairlead-admin-token", key: "token" } as const;

/** What whoever has it is called. No user is. */
export const adminTokenName = "admin-token";

export interface AdminTokenDeps {
  readonly client: Pick<KubeClient, "list" | "watch" | "create">;
  /** The agent's own. */
  readonly namespace: string;
  readonly audit: { record(entry: AuditEntry): unknown };
  readonly clock: Clock;
  readonly log: Log;
}

export interface AdminToken {
  /** Of whoever has the token. */
  readonly way: Way;
  close(): Promise<void>;
}

/** Shorter ones are no tokens but mistakes. */
const shortest = 20;
/** Between the Secret's end and a new one, and between tries to make it, in milliseconds. */
const makeAfterMs = 250;
const makeAgainMs = 30_000;

/** Makes the Secret if there is none. Rejects when it cannot be written; while it cannot be read it waits, and makes none. */
export async function watchAdminToken(deps: AdminTokenDeps, signal: AbortSignal): Promise<AdminToken> {
  const { client, namespace, audit, clock, log } = deps;
  const { name, key } = adminTokenSecret;
  const closing = new AbortController();
  let current: { readonly hash: Buffer; readonly way: Way } | undefined;
  let isStarted = false;
  let making: Timer | undefined;
  const heard = Promise.withResolvers<void>();
  const fieldSelector = `metadata.name=${name}`;
  const reflector = createReflector<Secret>({ client, kind: secrets, namespace, fieldSelector, clock, log });

  function take(token: string): void {
    const hash = hashToken(token);
    if (current && isSameHash(current.hash, hash)) return;
    const isOther = current !== undefined;
    current = { hash, way: adminTokenWay(hash) };
    if (isStarted) tell(isOther ? "Another is in its Secret." : "There is one again.");
  }

  function drop(why: string): void {
    if (current === undefined && isStarted) return;
    current = undefined;
    if (isStarted) tell(why);
  }

  function tell(message: string): void {
    log.warn({ secret: name }, `the administrator's token: ${message}`);
    audit.record({ action: "token.change", actor: {}, target: name, verdict: "done", message });
  }

  function hear(secret: Secret | undefined): void {
    making?.cancel();
    if (!secret) {
      drop("Its Secret was deleted.");
      if (isStarted) making = clock.after(makeAfterMs, () => void makeAgain());
      return;
    }
    heard.resolve();
    const token = decodeData(secret, key)?.trim() ?? "";
    if (token.length >= shortest) {
      take(token);
      return;
    }
    drop(`Its Secret holds none that can be used under "${key}".`);
    log.warn({ secret: name }, "nobody is let in by the administrator's token; delete its Secret to have one made");
  }

  async function make(until: AbortSignal): Promise<void> {
    const token = mintToken().reveal();
    const metadata = { namespace, name, labels: { "app.kubernetes.io/managed-by": "fairlead" } };
    try {
      await client.create(secrets, { metadata, type: "Opaque", data: encodeData({ [key]: token }) }, until);
      log.info({ secret: name }, "admin token made");
      // What has become of it meanwhile is heard later.
      if (!reflector.get(keyOf({ namespace, name }))) take(token);
    } catch (error) {
      // Another was faster, and it is theirs that counts: the Secret is heard of.
      if (!isAlreadyExists(error)) throw error;
    }
  }

  async function makeAgain(): Promise<void> {
    try {
      await make(closing.signal);
    } catch (error) {
      if (closing.signal.aborted) return;
      log.warn({ err: error, secret: name }, "could not make a token for the administrator");
      making = clock.after(makeAgainMs, () => void makeAgain());
    }
  }

  try {
    await reflector.synced(signal);
    reflector.subscribe((_key, secret) => hear(secret));
    if (reflector.list().length === 0) await make(signal);
    if (!current) await abortable(heard.promise, signal);
    isStarted = true;
  } catch (error) {
    await reflector.close();
    throw error;
  }

  return {
    way: {
      authenticate: async (presented, signal) => current?.way.authenticate(presented, signal),
      present: (credential) => current?.way.present(credential),
    },
    async close() {
      closing.abort(new Error("The agent is stopping."));
      making?.cancel();
      await reflector.close();
    },
  };
}

/** The way of whoever has the token of this hash. */
export function adminTokenWay(tokenHash: Buffer): Way {
  const credential = `admin:${createHash("sha256").update("credential").update(tokenHash).digest("base64url")}`;
  const roles = [{ role: Role.ADMIN, peers: "all" }] as const;
  const principal: Principal = { name: adminTokenName, kind: "admin-token", roles, credential };
  return {
    async authenticate({ authorization }) {
      const token = bearerToken(authorization);
      return token !== undefined && isSameHash(hashToken(token), tokenHash) ? principal : undefined;
    },
    present: (asked) => (asked === credential ? principal : undefined),
  };
}
