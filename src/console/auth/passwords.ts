/**
 * Passwords, kept as argon2id makes them, and compared at a price: so much memory for each that nobody tries many, and so few at once
 * that who tries many takes neither the agent's memory nor its time from others.
 */
import { type Argon2Parameters, argon2, randomBytes, randomInt } from "node:crypto";
import { SecretText } from "../../base/secret-text.ts";
import { createFairLine, type FairLine, type FairLinePlaces, type Waiter } from "./fair-line.ts";
import { isSameHash } from "./token.ts";

export interface Passwords {
  /** What is to be kept of it, as argon2's own programs write it: "$argon2id$v=19$m=…,t=…,p=…$salt$hash". Undefined when too many wait. */
  hash(password: SecretText, account: string, signal: AbortSignal): Promise<string | undefined>;
  /**
   * Whether that is kept of this one; it takes as long for nothing as for something. "busy" when too many wait. Rejects with the
   * signal's reason while it waits for its turn.
   */
  isKept(password: SecretText, kept: string | undefined, who: Asker, signal: AbortSignal): Promise<boolean | "busy">;
}

/** Who has a password compared. */
export interface Asker extends Waiter {
  /** They have signed in by this name before, and wait in a line of their own, which comes first. */
  readonly isKnown?: boolean;
}

/** Of OWASP's Password Storage Cheat Sheet (2025): 19 MiB, two passes, one lane. */
const cost = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const saltBytes = 16;
const hashBytes = 32;

/** Beyond these somebody has written the Secret who wants the agent to have no memory left. */
const mostCost = { memory: 65_536, passes: 10, parallelism: 4 } as const;

/** Characters. Nothing else is asked of one, as NIST SP 800-63B says. */
const shortest = 12;
const longest = 1_024;

/** Why this is no password for somebody of that name; undefined if it is one. Pure. */
export function unfitPassword(password: SecretText, name: string): string | undefined {
  const text = plain(password);
  const { length } = [...text];
  if (length < shortest) return `A password has at least ${shortest} characters; some words will do.`;
  if (length > longest) return `A password has at most ${longest} characters.`;
  const rest = text.toLowerCase().replaceAll(name.toLowerCase(), "");
  if (name !== "" && [...rest].length < shortest / 2) return "A password is more than the name of who has it.";
  if (new Set(text).size < 4) return "A password is more than a few characters that come again and again.";
  return undefined;
}

/** One to be told to somebody, who is to change it: 100 bits, in letters and digits that are not taken for each other. */
export function mintPassword(): SecretText {
  const alphabet = "abcdefghijkmnpqrstuvwxyz23456789";
  const groups = Array.from({ length: 5 }, () =>
    Array.from({ length: 4 }, () => alphabet[randomInt(alphabet.length)]).join(""),
  );
  return new SecretText(groups.join("-"));
}

/** Who waits in each line: nobody takes all of it, with one account from many networks, or with many accounts from one. */
const usualPlaces: FairLinePlaces = { most: 32, ofAccount: 4, ofNetwork: 16 };

/** `atOnce` are computed at a time, 2 unless given. */
export function createPasswords({ atOnce = 2, places = usualPlaces } = {}): Passwords {
  let running = 0;
  const known = createFairLine(places);
  const others = createFairLine(places);

  async function inTurn<T>(
    line: FairLine,
    who: Waiter,
    work: () => Promise<T>,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    signal.throwIfAborted();
    if (running < atOnce) running += 1;
    else if (!(await turn(line, who, signal))) return undefined;
    try {
      return await work();
    } finally {
      const next = known.next() ?? others.next();
      if (next) next();
      else running -= 1;
    }
  }

  /** Resolves when one that ends hands its place on; with false at once when there is no place to wait. */
  function turn(line: FairLine, who: Waiter, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const leave = line.join(who, () => {
        signal.removeEventListener("abort", give);
        resolve(true);
      });
      const give = (): void => {
        leave?.();
        reject(signal.reason);
      };
      if (leave) signal.addEventListener("abort", give, { once: true });
      else resolve(false);
    });
  }

  return {
    hash: (password, account, signal) =>
      inTurn(
        known,
        { account },
        async () => {
          const nonce = randomBytes(saltBytes);
          const hash = await derive(password, { ...cost, nonce, tagLength: hashBytes });
          return `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${encode(nonce)}$${encode(hash)}`;
        },
        signal,
      ),
    async isKept(password, kept, who, signal) {
      const found = kept === undefined ? undefined : readKept(kept);
      const { hash, ...parameters } = found ?? {
        ...cost,
        nonce: Buffer.alloc(saltBytes),
        hash: Buffer.alloc(hashBytes),
      };
      const line = who.isKnown ? known : others;
      const made = await inTurn(line, who, () => derive(password, { ...parameters, tagLength: hash.length }), signal);
      if (!made) return "busy";
      return isSameHash(made, hash) && found !== undefined;
    },
  };
}

type Kept = Pick<Argon2Parameters, "memory" | "passes" | "parallelism"> & {
  readonly nonce: Buffer;
  readonly hash: Buffer;
};

/** Undefined for what we have not written, and would not want to compute. */
function readKept(kept: string): Kept | undefined {
  const [, m, t, p, salt = "", hashed = ""] =
    /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([\w+/]{11,86})\$([\w+/]{43,86})$/.exec(kept) ?? [];
  const [memory, passes, parallelism] = [Number(m), Number(t), Number(p)];
  const isWithin =
    memory >= 8 * parallelism &&
    memory <= mostCost.memory &&
    passes >= 1 &&
    passes <= mostCost.passes &&
    parallelism >= 1 &&
    parallelism <= mostCost.parallelism;
  if (!isWithin) return undefined;
  return { memory, passes, parallelism, nonce: Buffer.from(salt, "base64"), hash: Buffer.from(hashed, "base64") };
}

/** Runs on a thread of its own. */
function derive(password: SecretText, parameters: Omit<Argon2Parameters, "message">): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    argon2("argon2id", { ...parameters, message: plain(password) }, (error, hash) =>
      error ? reject(error) : resolve(hash),
    );
  });
}

/** The same characters, whichever keyboard they come from. */
function plain(password: SecretText): string {
  return password.reveal().normalize("NFKC");
}

/** Base64 without its padding, as argon2's programs write it. */
function encode(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}
