/** Users and tokens as an agent keeps them, with a clock of one's own, and passwords that cost nothing. */
import type { TestContext } from "node:test";
import type { AuditEntry } from "../../../src/audit/entry.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { SecretText } from "../../../src/base/secret-text.ts";
import { openKeptSecrets } from "../../../src/console/auth/kept-secrets.ts";
import type { Passwords } from "../../../src/console/auth/passwords.ts";
import type { RoleBinding } from "../../../src/console/auth/principal.ts";
import { createTokens } from "../../../src/console/auth/tokens.ts";
import { createUsers } from "../../../src/console/auth/users.ts";
import { Role } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { createSecretStore } from "./secret-store.ts";

export const namespace = "fairlead-system";
export const viewer: readonly RoleBinding[] = [{ role: Role.VIEWER, peers: "all" }];
export const admin: readonly RoleBinding[] = [{ role: Role.ADMIN, peers: "all" }];

/** The same after a restart. */
export const markKey = Buffer.alloc(32, 7);

/** Kept as they are: what is tested here is what hangs on them. */
export const plainPasswords: Passwords = {
  hash: async (password) => `plain:${password.reveal()}`,
  isKept: async (password, kept) => kept === `plain:${password.reveal()}`,
};

export async function startAuth(t: TestContext, o: { passwords?: Passwords; signal: AbortSignal }) {
  const store = createSecretStore();
  const clock = createFakeClock();
  const audit: AuditEntry[] = [];
  const changed: string[] = [];
  const kept = openKeptSecrets({ client: store.client, namespace, clock: systemClock, log: silentLog });
  await kept.synced(o.signal);
  const users = createUsers({
    kept,
    passwords: o.passwords ?? plainPasswords,
    markKey,
    audit: { record: (entry) => audit.push(entry) },
    clock,
    passwordChanged: async (name) => void changed.push(name),
  });
  const tokens = createTokens({ kept, users, clock, log: silentLog });
  t.after(async () => {
    users.close();
    await tokens.close();
    await kept.close();
  });
  const signIn = (name: string, password: string, more: { address?: string; mark?: string } = {}) =>
    users.verify({ name, password: new SecretText(password), address: "192.0.2.1", ...more }, o.signal);
  async function makeUser(name: string, roles = viewer): Promise<string> {
    const made = await users.create({ name, roles, by: "root" }, o.signal);
    if (typeof made === "string") throw new Error(made);
    return made.password.reveal();
  }
  return { store, clock, audit, changed, kept, users, tokens, signIn, makeUser };
}
