/** Who may use this console by what is kept here: the administrator's token, users with a password, and tokens for programs. */
import { createHmac, type KeyObject } from "node:crypto";
import type { AuditEntry } from "../audit/entry.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { Role } from "../gen/fairlead/console/v1/access_pb.ts";
import type { KubeClient } from "../kube/client.ts";
import { adminTokenSecret, watchAdminToken } from "./auth/admin-token.ts";
import type { Way } from "./auth/authenticator.ts";
import { ensureFirstAdmin, retireFirstAdmin } from "./auth/first-admin.ts";
import { type KeptSecrets, openKeptSecrets } from "./auth/kept-secrets.ts";
import { createPasswords } from "./auth/passwords.ts";
import { createTokens, type Tokens } from "./auth/tokens.ts";
import type { User } from "./auth/user-record.ts";
import { createUsers, type Users } from "./auth/users.ts";

export interface People {
  readonly users: Users;
  readonly tokens: Tokens;
  /** Where else something is kept of who signs in. */
  readonly kept: KeptSecrets;
  /** By which those sign in who need no session. */
  readonly ways: readonly Way[];
  /** Who may say what others may do, as people read it. */
  admins(): readonly string[];
  close(): Promise<void>;
}

export interface PeopleDeps {
  readonly client: KubeClient;
  /** The agent's own. */
  readonly namespace: string;
  readonly audit: { record(entry: AuditEntry): unknown };
  /** This agent's alone, and the same after a restart. */
  readonly doorKey: KeyObject;
  readonly clock: Clock;
  readonly log: Log;
}

/** Makes the administrator's token and the first administrator if there are none. */
export async function openPeople(deps: PeopleDeps, signal: AbortSignal): Promise<People> {
  const { audit, clock, log } = deps;
  const kept = openKeptSecrets(deps);
  const closing = new AbortController();
  const retire = (name: string): Promise<void> => retireFirstAdmin(deps, name, closing.signal);
  const markKey = createHmac("sha256", deps.doorKey).update("fairlead marks of browsers").digest();
  const users = createUsers({ kept, passwords: createPasswords(), markKey, audit, clock, passwordChanged: retire });
  const tokens = createTokens({ kept, users, clock, log });
  let adminToken: Awaited<ReturnType<typeof watchAdminToken>> | undefined;
  async function close(): Promise<void> {
    closing.abort(new Error("The agent is stopping."));
    users.close();
    await Promise.all([tokens.close(), adminToken?.close()]);
    await kept.close();
  }
  try {
    [adminToken] = await Promise.all([watchAdminToken(deps, signal), kept.synced(signal)]);
    await ensureFirstAdmin({ ...deps, users }, signal);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    users,
    tokens,
    kept,
    ways: [adminToken.way, tokens.way],
    admins: () => [...named(users.list()), `whoever holds the token in the Secret ${adminTokenSecret.name}`],
    close,
  };
}

/** Who asks for help need not hear of all. */
const mostNamed = 5;

function named(users: readonly User[]): string[] {
  return users
    .filter(isAdmin)
    .map(({ name }) => name)
    .slice(0, mostNamed);
}

function isAdmin({ disabled, roles }: User): boolean {
  return !disabled && roles.some(({ role, peers }) => role === Role.ADMIN && peers === "all");
}
