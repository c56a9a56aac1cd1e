/**
 * Short-lived tokens for one door of one peer, made for who is signed in. Nothing is kept of them: each says what it is for and
 * until when, under a key that only this agent has.
 */
import { createHmac, type KeyObject } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { SecretText } from "../../base/secret-text.ts";
import type { Principal } from "./principal.ts";
import { bearerToken, isSameHash } from "./token.ts";

export interface DoorTokens {
  mint(principal: Principal, peer: string): { readonly token: SecretText; readonly expires: number };
  /** Whose it is, if it is for this peer and still counts. */
  authenticate(authorization: string | undefined, peer: string): Principal | undefined;
}

const prefix = "flk_";

/** Long enough for a command that is typed now; a program asks again. Milliseconds. */
const lifetimeMs = 10 * 60_000;

/** `door` is what the tokens are for, so that those of one door open no other. */
export function createDoorTokens(deps: { key: KeyObject; door: string; clock: Clock }): DoorTokens {
  const { key, door, clock } = deps;
  const sign = (payload: string): Buffer => createHmac("sha256", key).update(`${door}\n${payload}`).digest();
  return {
    mint({ name }, peer) {
      const expires = clock.now() + lifetimeMs;
      const payload = Buffer.from(JSON.stringify({ peer, name, expires })).toString("base64url");
      return { token: new SecretText(`${prefix}${payload}.${sign(payload).toString("base64url")}`), expires };
    },
    authenticate(authorization, peer) {
      const token = bearerToken(authorization);
      const [, payload = "", signature = ""] = /^flk_([\w-]+)\.([\w-]+)$/.exec(token ?? "") ?? [];
      if (payload === "" || !isSameHash(sign(payload), Buffer.from(signature, "base64url"))) return undefined;
      const said: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
      if (!isPayload(said) || said.peer !== peer || said.expires <= clock.now()) return undefined;
      return { name: said.name, role: "admin" };
    },
  };
}

function isPayload(value: unknown): value is { peer: string; name: string; expires: number } {
  return (
    typeof value === "object" &&
    value !== null &&
    "peer" in value &&
    typeof value.peer === "string" &&
    "name" in value &&
    typeof value.name === "string" &&
    "expires" in value &&
    typeof value.expires === "number"
  );
}
