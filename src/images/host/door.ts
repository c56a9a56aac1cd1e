/**
 * The registry that this cluster's nodes pull from what peers bring along: `/<peer>/<registry>/<repository>`, by digest and for
 * who shows that peer's pull secret. It keeps nothing: each answer streams from the peer, and is verified on its way.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { PeeringAudit } from "../../peering/audit-entry.ts";
import { answerPing, answerProblem, contentHead, readBytes } from "../image-answer.ts";
import { ImageError, type ImageFailure } from "../image-error.ts";
import { type ImageRequest, type Problem, readImageRequest, readLength, readRange } from "../image-request.ts";
import { mostManifestBytes } from "../origin/resolver.ts";
import type { AskPeer } from "./peer-images.ts";
import type { PullPasswords } from "./pull-secret.ts";
import { createTurns } from "./turns.ts";
import { readBlob } from "./verified-blob.ts";

export interface DoorDeps {
  readonly ask: AskPeer;
  readonly passwords: Pick<PullPasswords, "whoIs">;
  /** Of the peer that we call so; undefined when there is none. */
  fingerprintOf(peer: string): string | undefined;
  /** Whether the peer may bring images here now. */
  mayPull(fingerprint: string): boolean;
  /** Takes a line for each image whose bytes were not what its digest says. */
  readonly audit: PeeringAudit;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the door has seen, for the doctor and the metrics. */
export interface DoorLook {
  /** Requests that showed a pull secret; of those, how many were answered and how many failed. */
  readonly served: number;
  readonly failed: number;
  /** Requests without a right pull secret. A node's first always has none. */
  readonly strange: number;
  /** When a node showed a pull secret last, in milliseconds since 1970. */
  readonly lastAt: number | undefined;
  /** What failed last. */
  readonly lastFailure: string | undefined;
  readonly bytes: number;
}

export interface ImageDoor {
  /** Resolves when it listens. */
  listen(port: number, host: string): Promise<{ port: number }>;
  look(): DoorLook;
  close(): Promise<void>;
}

/** Of one peer: containerd fetches three layers of an image at once, and several nodes may pull. */
const atOnce = 16;
const mostWaiting = 128;
/** Nodes and whoever else reaches the port; each connection costs some KiB. */
const mostConnections = 512;

export function createImageDoor(deps: DoorDeps): ImageDoor {
  const { clock, log } = deps;
  const turns = createTurns({ atOnce, mostWaiting });
  const closing = new AbortController();
  const seen = { served: 0, failed: 0, strange: 0, bytes: 0 };
  let lastAt: number | undefined;
  let lastFailure: string | undefined;
  const server = createServer({ maxHeaderSize: 16_384, keepAliveTimeout: 15_000 }, (req, res) => {
    req.resume(); // A body, if there is one, is of no interest.
    answer(req, res).catch((error: unknown) => {
      log.debug({ err: error }, "an image's answer to a node broke off");
      res.destroy();
    });
  });
  server.maxConnections = mostConnections;
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const peer = deps.passwords.whoIs(req.headers.authorization, deps.fingerprintOf);
    if (peer === undefined) {
      seen.strange += 1;
      const message = "show the pull secret that this cluster's agent has made for the pods of the peer";
      answerProblem(
        res,
        { status: 401, code: "UNAUTHORIZED", message },
        { "www-authenticate": 'Basic realm="fairlead"' },
      );
      return;
    }
    lastAt = clock.now();
    const read = readImageRequest(req.method ?? "", req.url ?? "");
    if (read.is === "ping") answerPing(res);
    else if (read.is === "refused") answerProblem(res, read.problem);
    else await answerContent(peer, read.request, req, res);
  }

  async function answerContent(
    peer: string,
    named: ImageRequest,
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<void> {
    const fingerprint = deps.fingerprintOf(peer);
    if (!named.name.startsWith(`${peer}/`)) {
      answerProblem(res, { status: 403, code: "DENIED", message: `this pull secret is for the images of ${peer}` });
      return;
    }
    if (fingerprint === undefined || !deps.mayPull(fingerprint)) {
      const message = `the PeerPolicy of ${peer} here does not let it bring images (workloads.pullThrough)`;
      answerProblem(res, { status: 403, code: "DENIED", message });
      return;
    }
    const request = { ...named, name: named.name.slice(peer.length + 1) };
    const gone = new AbortController();
    const onClose = (): void => gone.abort(new Error("The node has gone."));
    res.once("close", onClose);
    const signal = AbortSignal.any([gone.signal, closing.signal]);
    let back: (() => void) | undefined;
    try {
      back = await turns.take(peer, signal);
      if (!back) throw new ImageError("busy", `Too many requests for images of ${peer} wait here already.`);
      await send(peer, request, req, res, signal);
      seen.served += 1;
    } catch (error) {
      if (gone.signal.aborted) return;
      seen.failed += 1;
      const failure =
        error instanceof ImageError ? error : new ImageError("unreachable", "The agent stops.", { cause: error });
      lastFailure = failure.message;
      tell(peer, request, failure);
      answerProblem(res, problemOf(failure, request));
    } finally {
      back?.();
      res.removeListener("close", onClose);
    }
  }

  async function send(
    peer: string,
    request: ImageRequest,
    req: IncomingMessage,
    res: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const { digest, kind } = request;
    if (req.method === "HEAD") {
      const from = await deps.ask(peer, { method: "HEAD", request }, signal);
      from.destroy();
      const length = readLength(from.headers["content-length"]);
      if (length === undefined) throw new ImageError("damaged", `${peer} does not say how long ${digest} is.`);
      res.writeHead(200, contentHead({ digest, type: from.headers["content-type"], length }));
      res.end();
      return;
    }
    if (kind === "manifests") {
      const from = await deps.ask(peer, { method: "GET", request }, signal);
      const bytes = await readBytes(from, mostManifestBytes).catch((cause: unknown) => {
        throw new ImageError("unreachable", `The manifest ${digest} did not come whole from ${peer}.`, { cause });
      });
      const [algorithm = "", hex] = digest.split(":");
      if (createHash(algorithm).update(bytes).digest("hex") !== hex) {
        throw new ImageError(
          "damaged",
          `What ${peer} sends for the manifest ${digest} is not that: its bytes are those of another.`,
        );
      }
      seen.bytes += bytes.length;
      res.writeHead(200, contentHead({ digest, type: from.headers["content-type"], length: bytes.length }));
      res.end(bytes);
      return;
    }
    const range = readRange(req.headers.range);
    const blob = readBlob(
      { ask: (part, asking) => deps.ask(peer, { method: "GET", request, range: part }, asking), clock },
      {
        digest,
        range,
        begin(head) {
          const { first, last } = head.range ?? { first: 0, last: 0 };
          const part = head.range && { "content-range": `bytes ${first}-${last}/${head.total}` };
          // Not sent before the first bytes are: until then there may still be a proper answer about what is wrong.
          res.statusCode = head.range ? 206 : 200;
          const headers = { ...contentHead({ digest, type: head.type, length: head.length }), ...part };
          for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
        },
      },
      signal,
    );
    for await (const bytes of blob) {
      seen.bytes += bytes.length;
      if (!res.write(bytes)) await once(res, "drain", { signal });
    }
    res.end();
  }

  function tell(peer: string, { name, digest }: ImageRequest, error: ImageError): void {
    log.warn({ peer, image: `${name}@${digest}`, err: error }, "an image of a peer does not come");
    if (error.failure !== "damaged") return;
    const [target, rule] = [`image/${name}@${digest}`, "images/damaged"];
    const actor = { peer, fingerprint: deps.fingerprintOf(peer) };
    deps.audit.record({ action: "image.pull", actor, target, verdict: "failed", rule, message: error.message });
  }

  return {
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen({ port, host }, () => {
          server.off("error", reject);
          const address = server.address();
          resolve({ port: typeof address === "object" && address !== null ? address.port : port });
        });
      }),
    look: () => ({ ...seen, lastAt, lastFailure }),
    close() {
      closing.abort(new Error("The agent stops."));
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

const statuses: Readonly<Record<ImageFailure, number>> = {
  denied: 403,
  "not-found": 404,
  range: 416,
  busy: 429,
  setup: 503,
  unreachable: 503,
  damaged: 502,
};

function problemOf({ failure, message }: ImageError, { kind }: ImageRequest): Problem {
  const codes: Readonly<Record<ImageFailure, string>> = {
    denied: "DENIED",
    "not-found": kind === "blobs" ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN",
    range: "SIZE_INVALID",
    busy: "TOOMANYREQUESTS",
    setup: "UNAVAILABLE",
    unreachable: "UNAVAILABLE",
    damaged: "DIGEST_INVALID",
  };
  return { status: statuses[failure], code: codes[failure], message };
}
