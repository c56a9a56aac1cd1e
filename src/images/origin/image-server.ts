/**
 * The origin's end: answers a host's requests for what the apps that it runs for us consist of. Each is judged anew by who
 * dialled, streams from the registry, and is judged again when a right changes.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "../../base/clock.ts";
import { serveOnStreams } from "../../base/http-on-streams.ts";
import type { Log } from "../../base/log.ts";
import type { Target } from "../../gen/fairlead/wire/v1/target_pb.ts";
import type { PeeringAuditEntry } from "../../peering/audit-entry.ts";
import { type StreamRecord, withRule } from "../../peering/stream-record.ts";
import type { PulledPlace } from "../../policy/pulled-image.ts";
import { readPulledPath } from "../../policy/pulled-image.ts";
import type { PullPermission } from "../../policy/pulls.ts";
import { Reason, StreamError } from "../../wire/reason.ts";
import { answerPing, answerProblem, contentHead } from "../image-answer.ts";
import { ImageError, type ImageFailure } from "../image-error.ts";
import { formatRange, type ImageRequest, readImageRequest, readLength, readRange } from "../image-request.ts";
import type { FindAccess } from "./access.ts";
import type { Upstream } from "./upstream.ts";

/** Who dialled, as the link proves it. */
export interface ImageCaller {
  readonly fingerprint: string;
  /** Absent for a guest. */
  readonly peer?: string | undefined;
  readonly guest: boolean;
  readonly correlation?: string | undefined;
}

/** A dial that came over a link. One of `accept` and `refuse` is called, once. */
export interface ImageDial {
  readonly target: Target;
  accept(): Duplex;
  refuse(reason: Reason, message: string): void;
}

export interface ImageServerDeps {
  /** Whether the caller may have what is there, now. Asked for each request, so it must be cheap. */
  permit(caller: ImageCaller, place: PulledPlace): PullPermission;
  findAccess: FindAccess;
  upstream: Pick<Upstream, "ask">;
  record: Pick<StreamRecord, "note">;
  clock: Clock;
  log: Log;
  /** Streams of one peer at a time; 64 unless given. */
  maxPerPeer?: number;
}

export interface ImageServer {
  /** Answers a dial. Returns at once and never throws. */
  open(caller: ImageCaller, dial: ImageDial): void;
  /** Judges again what is under way, of one peer or of all, and resets what is no longer allowed. */
  review(fingerprint?: string): void;
  /** Streams that are open. */
  readonly size: number;
  /** Bytes of images that went out so far. */
  readonly sentBytes: number;
  close(): Promise<void>;
}

interface Passage {
  readonly caller: ImageCaller;
  readonly stream: Duplex;
  /** What is asked for now. */
  place?: PulledPlace | undefined;
}

/** A stream on which nothing is asked for so long is ended; milliseconds. */
const idleMs = 30_000;

export function createImageServer(deps: ImageServerDeps): ImageServer {
  const { log } = deps;
  const maxPerPeer = deps.maxPerPeer ?? 64;
  const passages = new Map<Duplex, Passage>();
  const server = createServer({ maxHeaderSize: 8_192 }, (req, res) => {
    req.resume(); // A body, if there is one, is of no interest.
    const passage = passages.get(req.socket);
    if (!passage) {
      res.destroy();
      return;
    }
    answer(passage, req, res).catch((error: unknown) => {
      log.debug({ peer: passage.caller.peer, err: error }, "an image's answer broke off");
      res.destroy();
    });
  });
  const streams = serveOnStreams(server, { clock: deps.clock, idleMs });
  let isClosed = false;
  let sentBytes = 0;

  function open(caller: ImageCaller, dial: ImageDial): void {
    if (isClosed) {
      dial.refuse(Reason.GOING_AWAY, "The agent is stopping.");
      return;
    }
    if (caller.guest) {
      dial.refuse(Reason.DENIED, "Only a paired peer may pull images.");
      return;
    }
    const held = [...passages.values()].filter((one) => one.caller.fingerprint === caller.fingerprint).length;
    if (held >= maxPerPeer) {
      dial.refuse(Reason.OVERLOADED, `You have ${held} streams for images here, as many as one peer may have.`);
      return;
    }
    const stream = dial.accept();
    passages.set(stream, { caller, stream });
    stream.once("close", () => passages.delete(stream));
    void streams.serve(stream);
  }

  async function answer(passage: Passage, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const read = readImageRequest(req.method ?? "", req.url ?? "");
    if (read.is === "ping") {
      answerPing(res);
      return;
    }
    if (read.is === "refused") {
      answerProblem(res, read.problem);
      return;
    }
    const { request } = read;
    const place = readPulledPath(request.name);
    if (!place) {
      answerProblem(res, { status: 404, code: "NAME_INVALID", message: `${request.name} names no image` });
      return;
    }
    const permission = deps.permit(passage.caller, place);
    if (!permission.allowed) {
      const { rule, message } = permission;
      note(passage, place, request, { verdict: "denied", rule, message });
      answerProblem(res, { status: 403, code: "DENIED", message: withRule(message, rule) });
      return;
    }
    passage.place = place;
    try {
      await send(passage, permission, place, request, req, res);
    } finally {
      passage.place = undefined;
    }
  }

  async function send(
    passage: Passage,
    { by }: PullPermission & { allowed: true },
    place: PulledPlace,
    request: ImageRequest,
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<void> {
    const gone = new AbortController();
    const onClose = (): void => gone.abort(new Error("The host has gone."));
    res.once("close", onClose);
    const method = req.method === "HEAD" ? "HEAD" : "GET";
    const range = method === "GET" && request.kind === "blobs" ? readRange(req.headers.range) : undefined;
    try {
      const access = await deps.findAccess(by, gone.signal);
      const { kind, digest: reference } = request;
      const asked = {
        method,
        repository: place.repository,
        kind,
        reference,
        range: range && formatRange(range),
      } as const;
      const from = await deps.upstream.ask(access, asked, gone.signal);
      const length = readLength(from.headers["content-length"]);
      if (length === undefined) {
        from.destroy();
        throw new ImageError("unreachable", `${place.registry} does not say how long its answer is.`);
      }
      // One line for each image, not for each part of one.
      if (kind === "manifests" && method === "GET") note(passage, place, request, { verdict: "allowed" });
      const head = contentHead({ digest: reference, type: from.headers["content-type"], length });
      const part = from.headers["content-range"];
      res.writeHead(from.statusCode ?? 502, { ...head, ...(part === undefined ? {} : { "content-range": part }) });
      if (method === "HEAD") {
        from.destroy();
        res.end();
        return;
      }
      from.on("data", (chunk: Buffer) => {
        sentBytes += chunk.length;
      });
      await pipeline(from, res);
    } catch (error) {
      if (gone.signal.aborted) return;
      if (!(error instanceof ImageError)) throw error;
      log.info({ peer: passage.caller.peer, image: nameOf(place, request), err: error }, "an image is not had");
      note(passage, place, request, { verdict: "failed", message: error.message });
      answerProblem(res, problemOf(error, request));
    } finally {
      res.removeListener("close", onClose);
    }
  }

  function note(
    { caller }: Passage,
    place: PulledPlace,
    request: ImageRequest,
    how: Pick<PeeringAuditEntry, "verdict" | "rule" | "message">,
  ): void {
    const { peer, fingerprint, correlation } = caller;
    const target = `image/${nameOf(place, request)}`;
    deps.record.note(fingerprint, { action: "image.pull", actor: { peer, fingerprint }, target, correlation, ...how });
  }

  return {
    open,
    review(fingerprint) {
      for (const { caller, stream, place } of [...passages.values()]) {
        if (!place || (fingerprint !== undefined && caller.fingerprint !== fingerprint)) continue;
        const permission = deps.permit(caller, place);
        if (permission.allowed) continue;
        const { rule, message } = permission;
        log.info({ peer: caller.peer, rule }, "an image's way was revoked");
        stream.destroy(new StreamError(Reason.REVOKED, withRule(`No longer: ${message}`, rule)));
      }
    },
    get size() {
      return passages.size;
    },
    get sentBytes() {
      return sentBytes;
    },
    async close() {
      isClosed = true;
      for (const { stream } of [...passages.values()]) {
        stream.destroy(new StreamError(Reason.SHUTDOWN, "The agent is stopping."));
      }
      server.close();
    },
  };
}

function nameOf({ registry, repository }: PulledPlace, { digest }: ImageRequest): string {
  return `${registry}/${repository}@${digest}`;
}

const statuses: Readonly<Record<ImageFailure, number>> = {
  denied: 403,
  "not-found": 404,
  range: 416,
  busy: 429,
  setup: 502,
  unreachable: 502,
  damaged: 502,
};

function problemOf(error: ImageError, { kind }: ImageRequest): { status: number; code: string; message: string } {
  const codes: Readonly<Record<ImageFailure, string>> = {
    denied: "DENIED",
    "not-found": kind === "blobs" ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN",
    range: "SIZE_INVALID",
    busy: "TOOMANYREQUESTS",
    setup: "UNAVAILABLE",
    unreachable: "UNAVAILABLE",
    damaged: "UNAVAILABLE",
  };
  return { status: statuses[error.failure], code: codes[error.failure], message: error.message };
}
