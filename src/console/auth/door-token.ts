/**
 * Tokens for one door of one peer, made for who is signed in. Nothing is kept of them: each says what it is for, until when, and by
 * which credential it was asked for, under a key that only this agent has. With that credential it ends.
 */
import { createHmac, type KeyObject } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { SecretText } from "../../base/secret-text.ts";
import type { Authenticator } from "./authenticator.ts";
import type { Principal } from "./principal.ts";
import { bearerToken, isSameHash } from "./token.ts";

export interface DoorTokens {
  /** `lifetimeMs` is ten minutes unless given. */
  mint(
    principal: Principal,
    peer: string,
    lifetimeMs?: number,
  ): { readonly token: SecretText; readonly expires: number };
  /** Whose it is, if it is for this peer and still counts. */
  authenticate(authorization: string | undefined, peer: string): Principal | undefined;
}

const prefix = "flk_";

/** Long enough for a command that is typed now; a program asks again. Milliseconds. */
const shortMs = 10 * 60_000;

/** `door` is what the tokens are for, so that those of one door open no other. */
export function createDoorTokens(deps: {
  key: KeyObject;
  door: string;
  authenticator: Pick<Authenticator, "present">;
  clock: Clock;
}): DoorTokens {
  const { key, door, authenticator, clock } = deps;
  const sign = (payload: string): Buffer => createHmac("sha256", key).update(`${door}\n${payload}`).digest();
  return {
    mint({ credential }, peer, lifetimeMs = shortMs) {
      const expires = clock.now() + lifetimeMs;
      const payload = Buffer.from(JSON.stringify({ peer, expires, credential })).toString("base64url");
      return { token: new SecretText(`${prefix}${payload}.${sign(payload).toString("base64url")}`), expires };
    },
    authenticate(authorization, peer) {
      const token = bearerToken(authorization);
      const [, payload = "", signature = ""] = /^flk_([\w-]+)\.([\w-]+)$/.exec(token ?? "") ?? [];
      if (payload === "" || !isSameHash(sign(payload), Buffer.from(signature, "base64url"))) return undefined;
      const said: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
      if (!isPayload(said) || said.peer !== peer || said.expires <= clock.now()) return undefined;
      return authenticator.present(said.credential);
    },
  };
}

interface Payload {
  readonly peer: string;
  readonly expires: number;
  readonly credential: string;
}

function isPayload(value: unknown): value is Payload {
  if (typeof value !== "object" || value === null || !("expires" in value)) return false;
  const texts = "peer" in value && "credential" in value && [value.peer, value.credential];
  return typeof value.expires === "number" && texts !== false && texts.every((text) => typeof text === "string");
}
