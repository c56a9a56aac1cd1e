/** An invite as one line to copy. Pure. */
import { createHash, randomBytes } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { SecretText } from "../base/secret-text.ts";
import { type InvitePayload, InvitePayloadSchema } from "../gen/fairlead/peer/v1/pairing_pb.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { PeeringError } from "./error.ts";
import { mostRelays } from "./peer.ts";

/** What the line says. */
export interface Invite {
  /** Where to dial the inviter, in this order. */
  readonly urls: readonly string[];
  /** Agents that carry for the inviter, to be tried in this order after the URLs. There is a URL or a relay. */
  readonly relays: readonly Fingerprint[];
  /** Who must answer there. */
  readonly fingerprint: Fingerprint;
  /** 128 random bits as 32 hex digits: whoever shows them first is let in. */
  readonly token: SecretText;
  /** Milliseconds since 1970, in whole seconds. */
  readonly expiresAt: number;
  /** What the inviter calls itself. */
  readonly name: string;
}

const prefix = "fairlead-invite:v1:";
const tokenBytes = 16;
const checkBytes = 4;
/** Longest line that is looked at; an honest one has about 150 characters. */
const longestLine = 8192;

export function makeToken(): SecretText {
  return new SecretText(randomBytes(tokenBytes).toString("hex"));
}

/** How a token is kept and looked up: SHA-256, hex. A fast hash does: nobody can try 2^128 tokens. */
export function hashToken(token: SecretText): string {
  return createHash("sha256").update(Buffer.from(token.reveal(), "hex")).digest("hex");
}

/** The line to copy. It holds the token: show it once and keep it nowhere. */
export function encodeInvite(invite: Invite): string {
  const bytes = toBinary(
    InvitePayloadSchema,
    create(InvitePayloadSchema, {
      urls: [...invite.urls],
      relays: invite.relays.map((relay) => Buffer.from(relay, "hex")),
      fingerprint: Buffer.from(invite.fingerprint, "hex"),
      token: Buffer.from(invite.token.reveal(), "hex"),
      expiresAt: BigInt(Math.floor(invite.expiresAt / 1000)),
      name: invite.name,
    }),
  );
  return prefix + Buffer.concat([bytes, checkOf(bytes)]).toString("base64url");
}

/**
 * Reads a line that a person pasted. Spaces and line breaks that a terminal or a mail put into it do no harm. Throws a
 * `PeeringError` that says what is wrong with it, never what was in it.
 */
export function decodeInvite(text: string): Invite {
  if (text.length > longestLine) throw bad("This is too long to be an invite. Paste one line, and only it.");
  const line = text.replaceAll(/\s+/g, "").replace(/^(["'])(.*)\1$/, "$2");
  if (line === "") throw bad("There is no invite.");
  if (!line.startsWith("fairlead-invite:")) throw bad("This is not an invite. Paste the whole line.");
  if (!line.startsWith(prefix)) {
    throw new PeeringError(
      "bad-invite",
      "This invite was made by a version of Fairlead that this one does not understand. Update the older of the two agents.",
    );
  }
  const body = line.slice(prefix.length);
  if (!/^[A-Za-z0-9_-]*={0,2}$/.test(body)) {
    throw bad(
      "The invite has characters that do not belong there. Copy it once more, from its first to its last character.",
    );
  }
  const whole = Buffer.from(body, "base64url");
  const bytes = whole.subarray(0, Math.max(0, whole.length - checkBytes));
  if (bytes.length === 0 || !whole.subarray(bytes.length).equals(checkOf(bytes))) {
    throw bad(
      "A part of the invite is missing or was changed. Copy it once more, from its first to its last character.",
    );
  }
  return readPayload(bytes);
}

/** Throws if the invite's time is up at `now`, saying since when. */
export function checkExpiry(invite: Pick<Invite, "expiresAt">, now: number): void {
  if (now < invite.expiresAt) return;
  const at = new Date(invite.expiresAt).toISOString();
  throw new PeeringError(
    "refused",
    `The invite expired at ${at}; here it is ${new Date(now).toISOString()}. Ask for a new one.`,
  );
}

function readPayload(bytes: Uint8Array): Invite {
  const payload = parse(bytes);
  const whole = payload.fingerprint.length === 32 && payload.token.length === tokenBytes && payload.expiresAt > 0n;
  const urls = payload.urls.filter((url) => /^wss?:\/\/\S+$/.test(url)).slice(0, 8);
  const relays = payload.relays.filter((relay) => relay.length === 32).slice(0, mostRelays);
  // A date beyond what JavaScript can tell is nonsense, and would throw where it is shown.
  if (!whole || urls.length + relays.length === 0 || payload.expiresAt > 8_640_000_000_000n) {
    throw bad("The invite is whole and makes no sense. Ask for a new one.");
  }
  return {
    urls,
    relays: relays.map((relay) => Buffer.from(relay).toString("hex")),
    fingerprint: Buffer.from(payload.fingerprint).toString("hex"),
    token: new SecretText(Buffer.from(payload.token).toString("hex")),
    expiresAt: Number(payload.expiresAt) * 1000,
    name: payload.name.slice(0, 63),
  };
}

function parse(bytes: Uint8Array): InvitePayload {
  try {
    return fromBinary(InvitePayloadSchema, bytes);
  } catch {
    // The cause would quote bytes of a secret, and says nothing that helps.
    throw bad("The invite is whole and cannot be read. Ask for a new one.");
  }
}

function checkOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest().subarray(0, checkBytes);
}

function bad(message: string): PeeringError {
  return new PeeringError("bad-invite", `${message} An invite begins with "${prefix}".`);
}
