/** The certificate that the console's port shows: one that the operator gave, or one by the agent's CA that renews itself. */
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { createSecureContext } from "node:tls";
import type { Clock, Timer } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import type { Log } from "../../base/log.ts";
import { SecretText } from "../../base/secret-text.ts";

export interface ServedCertificate {
  /** For the next handshake: the same object as long as it is not replaced, which happens while the agent runs. */
  current(): KeyPair;
  /** For who asks for {@link consoleName}: one by the agent's CA, whatever is shown to others. */
  own(): KeyPair;
  /** The CA behind it, PEM, where it is the agent's own: a client that trusts it alone needs no other root. */
  readonly caPem: string | undefined;
  /** A name that it always has, where it is the agent's own. */
  readonly serverName: string | undefined;
  close(): void;
}

/** A certificate chain and its key, as PEM. */
export interface KeyPair {
  readonly certPem: string;
  readonly keyPem: SecretText;
}

/** How long a certificate of the agent's CA is valid; it is replaced after two thirds of that. Milliseconds. */
const lifetimeMs = 30 * 24 * 3_600_000;

/** Files are looked at so often: a Secret that is mounted changes within a minute or two. Milliseconds. */
const lookMs = 30_000;

/** Under this name the console is verified, whatever the way to it, by clients that know the agent's CA. */
export const consoleName = "console.fairlead.internal";

export interface OwnCertificateDeps {
  /** Signs a certificate for these DNS names and addresses. */
  issue(names: readonly ServerName[], lifetimeMs: number): KeyPair;
  readonly caPem: string;
  readonly clock: Clock;
}

export type ServerName = { readonly dns: string } | { readonly ip: Uint8Array };

/** `names` are DNS names, with `*.` for all just below, and addresses. */
export function ownCertificate(deps: OwnCertificateDeps, names: readonly string[]): ServedCertificate {
  const { clock, caPem } = deps;
  const subjects = [...new Set([consoleName, ...names])].flatMap((name) => subjectOf(name) ?? []);
  let pair: KeyPair | undefined;
  let issuedAt = 0;
  const current = (): KeyPair => {
    // By the clock on the wall: a machine that slept is asked before any timer is due.
    const ageMs = clock.now() - issuedAt;
    if (pair && ageMs >= 0 && ageMs < (lifetimeMs * 2) / 3) return pair;
    issuedAt = clock.now();
    pair = deps.issue(subjects, lifetimeMs);
    return pair;
  };
  return {
    current,
    own: current,
    caPem,
    serverName: consoleName,
    close: () => undefined,
  };
}

export interface GivenCertificateDeps {
  readonly certFile: string;
  readonly keyFile: string;
  /** Beside it, for who knows the agent's CA. */
  readonly own: Pick<ServedCertificate, "own">;
  readonly clock: Clock;
  readonly log: Log;
  read?(path: string): Promise<string>;
}

/** Reads both files; rejects when they are no pair. What is put in their place later is taken up when it is one. */
export async function givenCertificate(deps: GivenCertificateDeps): Promise<ServedCertificate> {
  const { certFile, keyFile, clock, log } = deps;
  const read = deps.read ?? ((path: string) => readFile(path, "utf8"));
  const load = async (): Promise<KeyPair> => {
    const [certPem, keyPem] = await Promise.all([read(certFile), read(keyFile)]);
    createSecureContext({ cert: certPem, key: keyPem }); // Throws when they are no pair.
    return { certPem, keyPem: new SecretText(keyPem) };
  };
  let pair: KeyPair;
  try {
    pair = await load();
  } catch (cause) {
    const message = `The console's certificate (${certFile}) and key (${keyFile}) cannot be used: ${errorText(cause)}`;
    throw new Error(message, { cause });
  }
  let timer: Timer;
  let isClosed = false;
  const arm = (): void => {
    timer = clock.after(lookMs, () => {
      look()
        .catch((error: unknown) => log.warn({ err: error, certFile }, "the console's new certificate cannot be used"))
        .finally(() => isClosed || arm());
    });
    timer.unref?.();
  };
  const look = async (): Promise<void> => {
    const found = await load();
    if (found.certPem === pair.certPem && found.keyPem.reveal() === pair.keyPem.reveal()) return;
    pair = found;
    log.info({ notAfter: new X509Certificate(pair.certPem).validTo }, "the console shows a new certificate");
  };
  arm();
  return {
    current: () => pair,
    own: () => deps.own.own(),
    caPem: undefined,
    serverName: undefined,
    close() {
      isClosed = true;
      timer.cancel();
    },
  };
}

function subjectOf(name: string): ServerName | undefined {
  const bare = name.replace(/^\[|\]$/g, "");
  if (isIP(bare) === 4) return { ip: Uint8Array.from(bare.split("."), Number) };
  if (isIP(bare) === 6) return { ip: bytesOf(bare) };
  return /^(\*\.)?[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/i.test(name) ? { dns: name.toLowerCase() } : undefined;
}

/** Of an IPv6 address, in any of its spellings. */
function bytesOf(address: string): Uint8Array {
  const [plain = ""] = address.split("%");
  const hextets = plain.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [before = "", after] = hextets.split("::");
  const left = before === "" ? [] : before.split(":");
  const right = after === undefined || after === "" ? [] : after.split(":");
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  const all = [...left, ...(after === undefined ? [] : zeros), ...right];
  return Uint8Array.from(all.flatMap((text) => [Number.parseInt(text, 16) >> 8, Number.parseInt(text, 16) & 0xff]));
}
