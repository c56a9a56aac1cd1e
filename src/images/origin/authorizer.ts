/**
 * What a registry wants to see before it lets read: nothing, a username and password, or a token from the place that it
 * names, which is asked for one repository and for reading alone.
 */

import type { IncomingMessage } from "node:http";
import { BoundedMap } from "../../base/bounded-map.ts";
import type { Clock } from "../../base/clock.ts";
import { isJsonObject } from "../../kube/object.ts";
import { readText } from "../image-answer.ts";
import { ImageError } from "../image-error.ts";
import type { RegistryAccess } from "./access.ts";
import { readChallenges } from "./challenge.ts";

export interface Authorizer {
  /** The header that served last for this repository; undefined when none is known or needed. */
  known(access: RegistryAccess, repository: string): string | undefined;
  /**
   * The header for what an answer of status 401 asks for; undefined when there is nothing to show. Rejects with an
   * `ImageError`.
   */
  answer(
    access: RegistryAccess,
    repository: string,
    challenge: string,
    signal: AbortSignal,
  ): Promise<string | undefined>;
}

/** Fetches without following anything. */
export type Fetch = (
  url: URL,
  o: { headers: Record<string, string>; ca?: string | undefined; signal: AbortSignal },
) => Promise<IncomingMessage>;

interface Kept {
  readonly header: string;
  /** On the monotonic clock. */
  readonly until: number;
}

/** What a token is good for when its maker does not say (distribution's own word), and for how long at most; seconds. */
const defaultLifetime = 60;
const longestLifetime = 3_600;
/** Of a token's life, what is left out for the way and for clocks that differ; milliseconds. */
const marginMs = 10_000;
const mostKept = 256;
const mostTokenBytes = 65_536;

export function createAuthorizer(deps: { fetch: Fetch; clock: Clock }): Authorizer {
  const { clock } = deps;
  const kept = new BoundedMap<string, Kept>(mostKept);
  const keyOf = (access: RegistryAccess, repository: string): string => JSON.stringify([access.key, repository]);

  function keep(key: string, header: string, lifetimeMs: number): void {
    kept.set(key, { header, until: clock.monotonic() + lifetimeMs });
  }

  async function fetchToken(
    access: RegistryAccess,
    repository: string,
    params: ReadonlyMap<string, string>,
    signal: AbortSignal,
  ): Promise<{ token: string; seconds: number }> {
    const realm = URL.parse(params.get("realm") ?? "");
    const where = `${access.registry} sends to ${realm?.host ?? "no place"} for a token`;
    if (!realm || (realm.protocol !== "https:" && realm.protocol !== "http:")) {
      throw new ImageError("unreachable", `${where}, which is no URL.`);
    }
    if (realm.protocol === "http:" && !access.base.startsWith("http:")) {
      throw new ImageError("denied", `${where} by plain HTTP, where no credentials are sent.`);
    }
    const service = params.get("service");
    if (service !== undefined) realm.searchParams.set("service", service);
    realm.searchParams.set("scope", `repository:${repository}:pull`);
    const headers: Record<string, string> = { accept: "application/json" };
    if (access.credentials) headers.authorization = basic(access.credentials);
    const answer = await deps.fetch(realm, { headers, ca: access.ca, signal });
    if (answer.statusCode !== 200) {
      answer.destroy();
      const isRefused = answer.statusCode === 401 || answer.statusCode === 403;
      const message = `${where}, and there the answer is ${answer.statusCode}.`;
      throw new ImageError(isRefused ? "denied" : "unreachable", message);
    }
    const found = readToken(await readText(answer, mostTokenBytes));
    if (!found) throw new ImageError("unreachable", `${where}, and what comes is none.`);
    return found;
  }

  return {
    known(access, repository) {
      const found = kept.get(keyOf(access, repository));
      return found && found.until > clock.monotonic() ? found.header : undefined;
    },
    async answer(access, repository, challenge, signal) {
      const key = keyOf(access, repository);
      kept.delete(key);
      const challenges = readChallenges(challenge);
      const bearer = challenges.find(({ scheme }) => scheme === "bearer");
      if (bearer) {
        const { token, seconds } = await fetchToken(access, repository, bearer.params, signal);
        const header = `Bearer ${token}`;
        keep(key, header, Math.min(seconds, longestLifetime) * 1_000 - marginMs);
        return header;
      }
      if (!access.credentials || !challenges.some(({ scheme }) => scheme === "basic")) return undefined;
      const header = basic(access.credentials);
      keep(key, header, longestLifetime * 1_000);
      return header;
    },
  };
}

function basic({ username, password }: NonNullable<RegistryAccess["credentials"]>): string {
  return `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString("base64")}`;
}

function readToken(text: string): { token: string; seconds: number } | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJsonObject(json)) return undefined;
  const { token, access_token: other, expires_in: seconds } = json;
  const found = typeof token === "string" && token !== "" ? token : other;
  // Whatever it is, it must not be more than one header.
  if (typeof found !== "string" || !/^[\x21-\x7e]+$/.test(found)) return undefined;
  return { token: found, seconds: typeof seconds === "number" && seconds > 0 ? seconds : defaultLifetime };
}
