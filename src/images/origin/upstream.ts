/** Asks registries: with what they want to see, along their redirects, and never with credentials to anybody else. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import { readProblem } from "../image-answer.ts";
import { ImageError } from "../image-error.ts";
import type { RegistryAccess } from "./access.ts";
import { createAuthorizer } from "./authorizer.ts";

export interface UpstreamRequest {
  readonly method: "GET" | "HEAD";
  readonly repository: string;
  readonly kind: "manifests" | "blobs";
  /** A digest, or a tag. */
  readonly reference: string;
  /** As in a request's header. */
  readonly range?: string | undefined;
}

export interface Upstream {
  /** Resolves with an answer of status 200 or 206, whose body the caller reads or destroys. Rejects with an `ImageError`. */
  ask(access: RegistryAccess, request: UpstreamRequest, signal: AbortSignal): Promise<IncomingMessage>;
  close(): void;
}

/** All that a runtime of today can run, indexes first. */
const manifestTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

const mostRedirects = 5;
/** A registry that says nothing for so long is given up; milliseconds. The other end goes on with another request. */
const silentMs = 60_000;
/** Sockets to one host at a time. */
const mostSockets = 64;

export function createUpstream(deps: { clock: Clock; silentMs?: number }): Upstream {
  const idle = { keepAlive: true, maxSockets: mostSockets, maxFreeSockets: 4, timeout: 30_000 };
  const [plain, secure] = [new HttpAgent(idle), new HttpsAgent(idle)];
  const authorizer = createAuthorizer({
    clock: deps.clock,
    fetch: (url, o) => send(url, { method: "GET", headers: o.headers, ca: o.ca }, o.signal),
  });

  function send(
    url: URL,
    o: { method: string; headers: Record<string, string>; ca: string | undefined },
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { method } = o;
      // A body that somebody compressed on the way is not what its digest is of.
      const headers = { "accept-encoding": "identity", "user-agent": "fairlead", ...o.headers };
      const out =
        url.protocol === "https:"
          ? httpsRequest(url, { method, headers, agent: secure, signal, ...(o.ca === undefined ? {} : { ca: o.ca }) })
          : httpRequest(url, { method, headers, agent: plain, signal });
      out.setTimeout(deps.silentMs ?? silentMs, () => out.destroy(new Error("It says nothing.")));
      out.once("error", (cause) =>
        reject(
          signal.aborted
            ? signal.reason
            : new ImageError("unreachable", `${url.host} does not answer: ${errorText(cause)}`, { cause }),
        ),
      );
      out.once("response", resolve);
      out.end();
    });
  }

  /** The answer at the end of the redirects. */
  async function follow(
    access: RegistryAccess,
    request: UpstreamRequest,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { method, repository, kind, reference, range } = request;
    const first = new URL(`${access.base}/v2/${repository}/${kind}/${reference}`);
    let url = first;
    for (let hop = 0; hop <= mostRedirects; hop += 1) {
      const isHome = url.origin === first.origin;
      const headers: Record<string, string> = {};
      if (kind === "manifests") headers.accept = manifestTypes;
      if (range !== undefined) headers.range = range;
      if (isHome && authorization !== undefined) headers.authorization = authorization;
      const answer = await send(url, { method, headers, ca: isHome ? access.ca : undefined }, signal);
      if (![301, 302, 303, 307, 308].includes(answer.statusCode ?? 0)) return answer;
      answer.destroy();
      const next = URL.parse(answer.headers.location ?? "", url.href);
      const isFit = next?.protocol === "https:" || (next?.protocol === "http:" && first.protocol === "http:");
      if (!next || !isFit) {
        throw new ImageError("unreachable", `${access.registry} redirects to where nothing is fetched from.`);
      }
      // Who is asked is what the redirect says, and never by whom.
      next.username = "";
      next.password = "";
      url = next;
    }
    throw new ImageError("unreachable", `${access.registry} redirects more than ${mostRedirects} times.`);
  }

  return {
    async ask(access, request, signal) {
      const { repository } = request;
      let answer = await follow(access, request, authorizer.known(access, repository), signal);
      if (answer.statusCode === 401) {
        const challenge = answer.headers["www-authenticate"] ?? "";
        answer.destroy();
        const authorization = await authorizer.answer(access, repository, challenge, signal);
        if (authorization === undefined) throw refusal(access, request, 401, undefined);
        answer = await follow(access, request, authorization, signal);
      }
      const { statusCode = 0 } = answer;
      if (statusCode === 200 || statusCode === 206) return answer;
      const { message } = await readProblem(answer);
      throw refusal(access, request, statusCode, message);
    },
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

function refusal(
  { registry, credentials }: RegistryAccess,
  { repository, reference }: UpstreamRequest,
  status: number,
  said: string | undefined,
): ImageError {
  const what = `${registry}/${repository}${reference.includes(":") ? "@" : ":"}${reference}`;
  const more = said === undefined ? "" : `, saying: ${said}`;
  switch (status) {
    case 401:
    case 403: {
      const how = credentials
        ? "with the credentials that the origin has"
        : "without credentials, and the origin has none";
      return new ImageError("denied", `The registry does not let ${what} be read ${how} (${status}${more}).`);
    }
    case 404:
      return new ImageError("not-found", `The registry has no ${what}${more}.`);
    case 416:
      return new ImageError("range", `The registry has not those bytes of ${what}.`);
    case 429:
      return new ImageError("busy", `The registry wants to be asked less often for ${what} (429${more}).`);
    default:
      return new ImageError("unreachable", `The registry answers ${status} for ${what}${more}.`);
  }
}
