/**
 * The first administrator: a user called admin, whose password is in a Secret until they have changed it. Made once. When they have, the
 * Secret says so and holds no password any more; whoever deletes it then finds no new one made, since there are users. With no user and no
 * Secret, as after both were deleted, the next start makes both anew.
 */
import type { AuditEntry } from "../../audit/entry.ts";
import type { Log } from "../../base/log.ts";
import { SecretText } from "../../base/secret-text.ts";
import { Role } from "../../gen/fairlead/console/v1/access_pb.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isAlreadyExists, isConflict, isNotFound } from "../../kube/errors.ts";
import { secrets } from "../../kube/resources.ts";
import { decodeData, encodeData } from "../../kube/secret-data.ts";
import { mintPassword, unfitPassword } from "./passwords.ts";
import type { Users } from "./users.ts";

/** The Secret with their name and password. */
export const firstAdminSecret = "fairlead-first-admin";

/** What they are called. */
const firstAdmin = "admin";

export interface FirstAdminDeps {
  readonly client: Pick<KubeClient, "get" | "create" | "update">;
  readonly namespace: string;
  readonly users: Pick<Users, "list" | "create" | "get">;
  readonly audit: { record(entry: AuditEntry): unknown };
  readonly log: Log;
}

/** Makes them if there is nobody yet. Rejects when that cannot be found out or written; a failed read makes nobody. */
export async function ensureFirstAdmin(deps: FirstAdminDeps, signal: AbortSignal): Promise<void> {
  const { users, log, audit } = deps;
  if (users.list().length > 0) return;
  const password = (await readPassword(deps, signal)) ?? (await makePassword(deps, signal));
  if (password === "used") return;
  const roles = [{ role: Role.ADMIN, peers: "all" }] as const;
  const made = await users.create({ name: firstAdmin, roles, by: "the agent", password }, signal);
  if (typeof made === "string") return;
  audit.record({ action: "user.create", actor: {}, target: firstAdmin, verdict: "done", message: "The first one." });
  log.info({ secret: firstAdminSecret, user: firstAdmin }, "first administrator made");
}

/** Once the first administrator has another password: takes theirs out of the Secret, where it would lie about to no use. Never rejects. */
export async function retireFirstAdmin(
  { client, namespace, log }: Pick<FirstAdminDeps, "client" | "namespace" | "log">,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  if (name !== firstAdmin) return;
  try {
    const secret = await client.get(secrets, { namespace, name: firstAdminSecret }, signal);
    if (!secret || decodeData(secret, "password") === undefined) return;
    const data = encodeData({ name: firstAdmin, used: "This password was changed; sign in with yours." });
    await client.update(secrets, { ...secret, data }, signal);
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return;
    log.warn({ err: error, secret: firstAdminSecret }, "could not take a password that was changed out of its Secret");
  }
}

/** Undefined when there is no Secret. */
async function readPassword(
  { client, namespace }: FirstAdminDeps,
  signal: AbortSignal,
): Promise<SecretText | "used" | undefined> {
  const secret = await client.get(secrets, { namespace, name: firstAdminSecret }, signal);
  if (!secret) return undefined;
  const text = decodeData(secret, "password")?.trim();
  if (text === undefined) return "used";
  const password = new SecretText(text);
  const unfit = unfitPassword(password, firstAdmin);
  if (unfit === undefined) return password;
  throw new Error(
    `The Secret ${firstAdminSecret} holds no usable password. ${unfit} Delete it to have one made, or write a better one.`,
  );
}

async function makePassword(deps: FirstAdminDeps, signal: AbortSignal): Promise<SecretText | "used"> {
  const { client, namespace } = deps;
  const password = mintPassword();
  const labels = { "app.kubernetes.io/managed-by": "fairlead" };
  const metadata = { namespace, name: firstAdminSecret, labels };
  const data = encodeData({ name: firstAdmin, password: password.reveal() });
  try {
    await client.create(secrets, { metadata, type: "Opaque", data }, signal);
    return password;
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const others = await readPassword(deps, signal);
    if (others === undefined) {
      throw new Error(`The Secret ${firstAdminSecret} was made and deleted again while the agent started.`, {
        cause: error,
      });
    }
    return others;
  }
}
