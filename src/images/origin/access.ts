/** How a registry is reached, and what it wants to see: from the operator's policy and the Secret that it names. */
import type { Clock } from "../../base/clock.ts";
import { SecretText } from "../../base/secret-text.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isJsonObject } from "../../kube/object.ts";
import { type Secret, secrets } from "../../kube/resources.ts";
import { decodeData } from "../../kube/secret-data.ts";
import type { RegistryRule } from "../../policy/effective-policy.ts";
import { placeOf } from "../../policy/image.ts";
import { placeOfImage } from "../../policy/image-pattern.ts";
import { ImageError } from "../image-error.ts";

export interface RegistryAccess {
  /** As images name it. */
  readonly registry: string;
  /** Where its API is, without a path: `https://registry.example.org:5000`. */
  readonly base: string;
  readonly credentials?: { readonly username: string; readonly password: SecretText };
  /** PEM of what its certificate is checked by; the public roots unless given. */
  readonly ca?: string;
  /** Tells accesses apart that may get different answers: by registry, Secret and the Secret's version. */
  readonly key: string;
}

/** Reads the Secret that the rule names, at most every half minute. Rejects with an `ImageError` when it is of no use. */
export type FindAccess = (rule: RegistryRule, signal: AbortSignal) => Promise<RegistryAccess>;

/** A password that was changed counts after so long at the latest; milliseconds. */
const freshMs = 30_000;

export function createAccess(deps: {
  client: Pick<KubeClient, "get">;
  /** The agent's own, where the operator's Secrets are. */
  namespace: string;
  clock: Clock;
}): FindAccess {
  const { client, namespace, clock } = deps;
  const known = new Map<string, { at: number; secret: Secret | undefined }>();

  async function read(name: string, signal: AbortSignal): Promise<Secret | undefined> {
    const found = known.get(name);
    if (found && clock.monotonic() - found.at < freshMs) return found.secret;
    const secret = await client.get(secrets, { namespace, name }, signal);
    // Names come from policies, which are few; those that were used before are read again when they are needed.
    if (known.size >= 64) known.clear();
    known.set(name, { at: clock.monotonic(), secret });
    return secret;
  }

  return async (rule, signal) => {
    const { registry, plainHttp } = rule;
    const base = `${plainHttp ? "http" : "https"}://${registry === "docker.io" ? "registry-1.docker.io" : registry}`;
    if (rule.secret === undefined) return { registry, base, key: registry };
    const where = `${namespace}/${rule.secret}`;
    const secret = await read(rule.secret, signal);
    if (!secret) throw new ImageError("setup", `The origin's policy names the Secret ${where}, and there is none.`);
    const credentials = credentialsIn(secret, registry);
    if (!credentials) {
      const message = `The Secret ${where} has no username and password for ${registry}: it has to be of the type kubernetes.io/dockerconfigjson with an entry for the registry, or kubernetes.io/basic-auth.`;
      throw new ImageError("setup", message);
    }
    const ca = decodeData(secret, "ca.crt");
    const { uid = "", resourceVersion = "" } = secret.metadata;
    const key = JSON.stringify([registry, uid, resourceVersion]);
    return { registry, base, key, credentials, ...(ca === undefined ? {} : { ca }) };
  };
}

function credentialsIn(secret: Secret, registry: string): RegistryAccess["credentials"] {
  if (secret.type === "kubernetes.io/basic-auth") {
    const [username, password] = [decodeData(secret, "username"), decodeData(secret, "password")];
    return username === undefined || password === undefined
      ? undefined
      : { username, password: new SecretText(password) };
  }
  if (secret.type !== "kubernetes.io/dockerconfigjson") return undefined;
  const entry = entryFor(decodeData(secret, ".dockerconfigjson") ?? "", registry);
  if (!entry) return undefined;
  const { username, password, auth } = entry;
  if (typeof username === "string" && typeof password === "string") {
    return { username, password: new SecretText(password) };
  }
  const text = typeof auth === "string" ? Buffer.from(auth, "base64").toString() : "";
  const colon = text.indexOf(":");
  if (colon < 0) return undefined;
  return { username: text.slice(0, colon), password: new SecretText(text.slice(colon + 1)) };
}

/** Keys are written as `registry:5000`, `https://registry:5000/v2/` and the like. */
function entryFor(text: string, registry: string): Record<string, unknown> | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const auths = isJsonObject(json) && isJsonObject(json.auths) ? json.auths : {};
  for (const [key, entry] of Object.entries(auths)) {
    const host = key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
    const place = placeOf(`${host}/any/thing`);
    if (place && placeOfImage(place).registry === registry && isJsonObject(entry)) return entry;
  }
  return undefined;
}
