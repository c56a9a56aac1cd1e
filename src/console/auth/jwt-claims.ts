/** What a JSON Web Token claims. Nothing of it is proven: it only tells what is not worth a question to whoever can verify it. Pure. */
import { isJsonObject } from "../../kube/object.ts";

/** Whom a token of Kubernetes has to be for. One that was made for the API server opens nothing here, and cannot be passed on from here to it. */
export const audience = "fairlead.dev";

export interface Claims {
  readonly audiences: readonly string[];
  /** Wall time, in milliseconds. */
  readonly expires: number;
}

/** In characters. Those of Kubernetes have about 1,000. */
const longest = 8_192;

/** Undefined for what is no such token, and for one that says nothing of its end. */
export function readClaims(token: string): Claims | undefined {
  const [, payload] = token.length <= longest ? (/^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token) ?? []) : [];
  if (payload === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
    if (!isJsonObject(claims) || typeof claims.exp !== "number") return undefined;
    const { aud } = claims;
    const audiences = Array.isArray(aud)
      ? aud.filter((one) => typeof one === "string")
      : typeof aud === "string"
        ? [aud]
        : [];
    return { audiences, expires: claims.exp * 1_000 };
  } catch {
    return undefined;
  }
}
