/** User names and passwords of an app's own door, as its Secret has them. */

import { type Argon2Parameters, argon2, createHash, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { BoundedMap } from "../../base/bounded-map.ts";
import type { Clock } from "../../base/clock.ts";
import { createRateLimit, type RateLimit } from "../../base/rate-limit.ts";

export interface BasicAuth {
  /** The name of who presents these credentials; undefined for nobody, "later" after too many wrong ones. */
  check(app: string, texts: Readonly<Record<string, string>>, authorization: string | undefined): Promise<Checked>;
}

export type Checked = { readonly user: string } | "unknown" | "later";

const hashPassword = promisify(argon2);

/** Wrong passwords of one app, all clients together: so many at once, and one in so many seconds after that. */
const wrong = { burst: 20, perSecond: 1 } as const;
/** Of argon2id, which a Secret's owner chooses: KiB, and how often it goes over them. */
const mostMemory = 256 * 1024;
const mostPasses = 16;
const mostApps = 10_000;
const mostKnown = 1_000;

export function createBasicAuth(clock: Clock): BasicAuth {
  const limits = new BoundedMap<string, RateLimit>(mostApps);
  /** Credentials that were right under what the Secret said then, so that a page with a hundred parts costs one hash. */
  const known = new BoundedMap<string, string>(mostKnown);
  let hashing: Promise<unknown> = Promise.resolve();

  return {
    async check(app, texts, authorization) {
      const given = readCredentials(authorization);
      if (!given) return "unknown";
      const key = digest(JSON.stringify([app, texts, given])).toString("base64url");
      const user = known.get(key);
      if (user !== undefined) return { user };
      const limit = limits.touch(app, () => createRateLimit({ clock, ...wrong }));
      if (!limit.take()) return "later";
      let right = false;
      for (const [name, secret] of accounts(texts)) {
        const fits = isSame(name, given.user);
        const same = secret.startsWith("$")
          ? fits && (await one(() => verifyHash(secret, given.password)))
          : isSame(secret, given.password);
        right ||= fits && same;
      }
      if (!right) return "unknown";
      limit.giveBack();
      known.set(key, given.user);
      return { user: given.user };
    },
  };

  /** Hashes take memory, so there is one at a time. */
  function one<T>(run: () => Promise<T>): Promise<T> {
    const result = hashing.then(run);
    hashing = result.catch(() => undefined);
    return result;
  }
}

function readCredentials(authorization: string | undefined): { user: string; password: string } | undefined {
  const [, encoded] = /^Basic +([A-Za-z0-9+/=_-]{1,2048}) *$/i.exec(authorization ?? "") ?? [];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString();
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Names and passwords, of which none is empty. */
function accounts(texts: Readonly<Record<string, string>>): [user: string, secret: string][] {
  const { username, password, auth = "" } = texts;
  const lines = auth.split(/\r?\n/).map((line): [string, string] => {
    const colon = line.indexOf(":");
    return colon < 0 ? ["", ""] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
  const own: [string, string][] = [[username ?? "", password ?? ""]];
  return [...own, ...lines].filter(([name, secret]) => name !== "" && !name.startsWith("#") && secret !== "");
}

/** In constant time. */
function isSame(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** A hash of another kind than argon2id, or one that would cost too much, fits nothing. */
async function verifyHash(hash: string, password: string): Promise<boolean> {
  const [, memory, passes, parallelism, salt = "", wanted = ""] =
    /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(hash) ?? [];
  const expected = Buffer.from(wanted, "base64");
  const parameters: Argon2Parameters = {
    message: password,
    nonce: Buffer.from(salt, "base64"),
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    tagLength: expected.length,
  };
  const tooMuch = parameters.memory > mostMemory || parameters.passes > mostPasses || parameters.parallelism > 16;
  if (wanted === "" || tooMuch || expected.length < 16) return false;
  return hashPassword("argon2id", parameters).then(
    (found) => timingSafeEqual(found, expected),
    () => false,
  );
}
