/**
 * The initial administrator's token: made once for a cluster, kept in a Secret, so that whoever may read Secrets in the
 * agent's namespace can use the agent. Only its hash stays in memory.
 */
import type { Log } from "../../base/log.ts";
import type { SecretText } from "../../base/secret-text.ts";
import { hashToken, mintToken } from "./token.ts";

/** The Secret and its key. */
export const adminTokenSecret = { name: "fairlead-admin-token", key: "token" } as const;

/** Where the token lives. */
export interface AdminTokenStore {
  /** Undefined only when there is none; whatever else goes wrong throws, so that no second token is made. */
  read(signal: AbortSignal): Promise<SecretText | undefined>;
  /** "exists" when another was faster; it is then the other's that counts. */
  create(token: SecretText, signal: AbortSignal): Promise<"created" | "exists">;
}

/** The hash of the token, which is made when there is none. Throws when the store fails or holds something unusable. */
export async function loadAdminToken(deps: { store: AdminTokenStore; log: Log }, signal: AbortSignal): Promise<Buffer> {
  const { store, log } = deps;
  const present = await store.read(signal);
  if (present) return hashOf(present);
  const minted = mintToken();
  if ((await store.create(minted, signal)) === "created") {
    log.info({ secret: adminTokenSecret.name }, "admin token made");
    return hashOf(minted);
  }
  const others = await store.read(signal);
  if (!others)
    throw new Error(`The Secret ${adminTokenSecret.name} was made and deleted again while the agent started.`);
  return hashOf(others);
}

function hashOf(token: SecretText): Buffer {
  const text = token.reveal().trim();
  if (text.length < 20) {
    throw new Error(
      `The Secret ${adminTokenSecret.name} holds no usable token under "${adminTokenSecret.key}". Delete it and restart the agent to have a new one made.`,
    );
  }
  return hashToken(text);
}
