/** The people who sign in here with a password, and whether it is theirs. */
import { createHmac, randomBytes } from "node:crypto";
import type { AuditEntry } from "../../audit/entry.ts";
import type { Clock } from "../../base/clock.ts";
import { networkOf } from "../../base/network-of.ts";
import { createRateLimit } from "../../base/rate-limit.ts";
import { SecretText } from "../../base/secret-text.ts";
import { createTally } from "../../base/tally.ts";
import { type Attempt, createAttempts } from "./attempts.ts";
import type { Kept, KeptSecrets } from "./kept-secrets.ts";
import { mintPassword, type Passwords, unfitPassword } from "./passwords.ts";
import type { RoleBinding } from "./principal.ts";
import { isSameHash } from "./token.ts";
import { formatUser, parseUser, type User, type UserRecord } from "./user-record.ts";

/** Whose password it is. "wrong" says no more to a stranger: there is no such user, they are disabled, or it is another password. */
export type SignInVerdict =
  | {
      readonly ok: true;
      readonly user: User;
      /** For this browser to keep, and to show the next time: see `SignInAttempt.mark`. */
      readonly mark: SecretText;
    }
  | { readonly ok: false; readonly why: "wrong" }
  /** There were too many mistakes, or too many sign in at once. */
  | { readonly ok: false; readonly why: "wait"; readonly seconds: number };

export interface SignInAttempt {
  readonly name: string;
  readonly password: SecretText;
  /** Where it comes from, as the connection has it or a trusted proxy says. */
  readonly address: string;
  /** What this browser was given when somebody signed in by this name: a stranger's mistakes then do not make it wait. */
  readonly mark?: string | undefined;
}

export type PasswordChange = SignInVerdict | { readonly ok: false; readonly why: "unfit"; readonly message: string };

export interface Users {
  /** As far as is known; answers at once. */
  get(name: string): User | undefined;
  /** By name. */
  list(): User[];
  /** Rejects with the signal's reason alone. */
  verify(attempt: SignInAttempt, signal: AbortSignal): Promise<SignInVerdict>;
  /** Everything that was signed in before ends, whoever did it. Rejects with a `KubeError` when it cannot be kept. */
  changePassword(
    change: Omit<SignInAttempt, "password"> & { readonly current: SecretText; readonly next: SecretText },
    signal: AbortSignal,
  ): Promise<PasswordChange>;
  /**
   * With a password that is told once. `password` is taken for it when the first administrator's Secret has it. "exists" when there is one
   * of that name, "full" when there are too many, "busy" when there is no time for it now.
   */
  create(
    user: {
      readonly name: string;
      readonly roles: readonly RoleBinding[];
      readonly by: string;
      readonly password?: SecretText;
    },
    signal: AbortSignal,
  ): Promise<{ readonly user: User; readonly password: SecretText } | "exists" | "full" | "busy">;
  /** What is absent stays; undefined when there is none of that name. A change of roles counts for what is signed in already. */
  update(
    name: string,
    change: {
      readonly roles?: readonly RoleBinding[] | undefined;
      readonly disabled?: boolean | undefined;
      /** Asked before each attempt about who is there then; throws when they may not be changed. */
      check?(present: User): void;
    },
    signal: AbortSignal,
  ): Promise<User | undefined>;
  /** A password that is told once and has to be changed; what was signed in before ends. */
  resetPassword(name: string, signal: AbortSignal): Promise<SecretText | undefined | "busy">;
  /** False when there was none. */
  delete(name: string, signal: AbortSignal): Promise<boolean>;
  close(): void;
}

export interface UsersDeps {
  readonly kept: Pick<KeptSecrets, "of">;
  readonly passwords: Passwords;
  /** By which marks of browsers are signed; this agent's alone, and the same after a restart. */
  readonly markKey: Buffer;
  readonly audit: { record(entry: AuditEntry): unknown };
  readonly clock: Clock;
  /** Told of each user who has changed their own password; waited for, and must not reject. */
  passwordChanged?(name: string): Promise<void>;
}

/** Of users; each costs memory in the agent and an object at the API server. */
const mostUsers = 1_000;

/** When too many sign in at once, in seconds. */
const busySeconds = 2;

/** What a user may be called: nothing that looks like another on a screen, and nothing that a token is called. */
const userNamePattern = /^[a-z0-9](?:[-a-z0-9._@]{0,98}[a-z0-9])?$/;

/** As it is kept: people do not remember whether they wrote it large. */
function normalName(said: string): string {
  return said.trim().toLowerCase();
}

export function createUsers(deps: UsersDeps): Users {
  const { kept: secrets, passwords, audit, clock } = deps;
  const kept: Kept<UserRecord> = secrets.of("user", parseUser, formatUser);
  const attempts = createAttempts({ clock });
  const marks = createMarks(deps.markKey);
  const tell = (entry: AuditEntry, count: number): void => {
    const times = count > 1 ? ` ${count} times.` : "";
    audit.record({ ...entry, message: `${entry.message ?? ""}${times}` });
  };
  // Each place is told apart while all together are few; beyond, they are counted as one, or strangers would push all else out.
  const failures = createTally<AuditEntry>({ clock, tell });
  const further = createTally<AuditEntry>({ clock, tell, burst: 10, perSecond: 1 / 30 });
  const apart = createRateLimit({ clock, burst: 100, perSecond: 0.1 });

  function noteFailure({ name, address }: Attempt, message: string): void {
    // Who is not known here may be a password that was typed into the wrong field.
    const target = kept.get(name) ? name : undefined;
    const entry: AuditEntry = {
      action: "user.sign-in",
      actor: {},
      ...(target !== undefined && { target }),
      verdict: "denied",
      message: `${message} From ${address}.`,
    };
    const happening = { same: `${target ?? ""} ${message}`, kind: "user.sign-in", what: entry };
    if (apart.take()) failures.note({ who: networkOf(address), ...happening });
    else further.note({ who: "", ...happening });
  }

  async function verify(
    { name: said, password, address, mark }: SignInAttempt,
    signal: AbortSignal,
  ): Promise<SignInVerdict> {
    const normal = normalName(said);
    const name = userNamePattern.test(normal) ? normal : "";
    const attempt = { name, address, browser: mark === undefined ? undefined : marks.read(name, mark) };
    const waitMs = attempts.begin(attempt);
    if (waitMs > 0) {
      noteFailure(attempt, "Too many mistakes before.");
      return { ok: false, why: "wait", seconds: Math.ceil(waitMs / 1_000) };
    }
    const before = kept.get(name);
    const who = { account: name, network: networkOf(address), isKnown: attempt.browser !== undefined };
    const verdict = await passwords.isKept(password, before?.password, who, signal).catch((error: unknown) => {
      attempts.undone(attempt);
      throw error;
    });
    if (verdict === "busy") {
      attempts.undone(attempt);
      return { ok: false, why: "wait", seconds: busySeconds };
    }
    const now = kept.get(name);
    if (verdict && now && now.stamp === before?.stamp && !now.disabled) {
      attempts.succeeded(attempt);
      return { ok: true, user: toUser(name, now), mark: marks.mint(name) };
    }
    noteFailure(attempt, now?.disabled ? "The user is disabled." : now ? "Wrong password." : "There is no such user.");
    return { ok: false, why: "wrong" };
  }

  return {
    get(name) {
      const record = kept.get(name);
      return record && toUser(name, record);
    },

    list() {
      const users = kept.list().map(({ id, record }) => toUser(id, record));
      return users.sort((a, b) => (a.name < b.name ? -1 : 1));
    },

    verify,

    async changePassword({ current, next, ...who }, signal) {
      const verdict = await verify({ ...who, password: current }, signal);
      if (!verdict.ok) return verdict;
      const { name, stamp } = verdict.user;
      const same = next.reveal() === current.reveal();
      const unfit = same ? "The new password is the one that you have already." : unfitPassword(next, name);
      if (unfit !== undefined) return { ok: false, why: "unfit", message: unfit };
      const password = await passwords.hash(next, name, signal);
      if (password === undefined) return { ok: false, why: "wait", seconds: busySeconds };
      const news = { password, stamp: mintStamp(), mustChangePassword: false, passwordSetAt: clock.now() };
      const changed = await kept.change(
        name,
        (record) => (record.stamp === stamp && !record.disabled ? { ...record, ...news } : undefined),
        signal,
      );
      if (changed?.stamp !== news.stamp) return { ok: false, why: "wrong" };
      await deps.passwordChanged?.(name);
      return { ok: true, user: toUser(name, changed), mark: marks.mint(name) };
    },

    async create({ name, roles, by, password = mintPassword() }, signal) {
      if (kept.get(name)) return "exists";
      if (kept.list().length >= mostUsers) return "full";
      const hashed = await passwords.hash(password, name, signal);
      if (hashed === undefined) return "busy";
      const record: UserRecord = {
        roles,
        password: hashed,
        stamp: mintStamp(),
        disabled: false,
        mustChangePassword: true,
        createdAt: clock.now(),
        createdBy: by,
        passwordSetAt: clock.now(),
      };
      if (!(await kept.create(name, record, signal))) return "exists";
      return { user: toUser(name, record), password };
    },

    async update(name, { roles, disabled, check }, signal) {
      const changed = await kept.change(
        name,
        (record) => {
          check?.(toUser(name, record));
          return {
            ...record,
            ...(roles && { roles }),
            ...(disabled !== undefined && { disabled }),
            ...(disabled && !record.disabled && { stamp: mintStamp() }),
          };
        },
        signal,
      );
      return changed && toUser(name, changed);
    },

    async resetPassword(name, signal) {
      if (!kept.get(name)) return undefined;
      const password = mintPassword();
      const hashed = await passwords.hash(password, name, signal);
      if (hashed === undefined) return "busy";
      const news = { password: hashed, stamp: mintStamp(), mustChangePassword: true, passwordSetAt: clock.now() };
      const changed = await kept.change(name, (record) => ({ ...record, ...news }), signal);
      return changed && password;
    },

    delete: (name, signal) => kept.delete(name, signal),

    close() {
      failures.close();
      further.close();
    },
  };
}

function toUser(name: string, { password: _, ...user }: UserRecord): User {
  return { name, ...user };
}

function mintStamp(): string {
  return randomBytes(16).toString("hex");
}

/** What browsers keep that have signed in by a name. */
function createMarks(key: Buffer): {
  mint(name: string): SecretText;
  read(name: string, mark: string): string | undefined;
} {
  const sign = (name: string, browser: string): Buffer =>
    createHmac("sha256", key)
      .update(JSON.stringify([name, browser]))
      .digest();
  return {
    mint(name) {
      const browser = randomBytes(12).toString("base64url");
      return new SecretText(`${browser}.${sign(name, browser).toString("base64url")}`);
    },
    read(name, mark) {
      const [, browser = "", signature = ""] = /^([\w-]{16})\.([\w-]{43})$/.exec(mark) ?? [];
      return browser !== "" && isSameHash(sign(name, browser), Buffer.from(signature, "base64url"))
        ? browser
        : undefined;
    },
  };
}
