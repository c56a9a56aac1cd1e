/** GET /events: what WatchService.Watch tells, as server-sent events, for curl and for whatever else reads lines. */
import { once } from "node:events";
import type { Writable } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus, codeToString, errorToJson } from "@connectrpc/connect/protocol-connect";
import type { FastifyInstance } from "fastify";
import type { Log } from "../../base/log.ts";
import { WatchRequestSchema, WatchService } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import type { ClientRequest, ClientResponse } from "../../tunnel/client-side.ts";
import { accessOf } from "../access/access-of.ts";
import { decide } from "../access/decide.ts";
import type { Refuse } from "../access/refuser.ts";
import { brokenIn, brokenWord } from "../api/broken-rule.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import { presentedBy } from "../auth/presented.ts";
import type { Principal } from "../auth/principal.ts";
import { answer, type DoorRequest, goneSignal } from "../doors/exchange.ts";
import { sayWhenBack } from "../try-later.ts";
import { readEventsQuery } from "./events-query.ts";
import { eventsOf, firstWords, lastWords } from "./events-text.ts";
import type { WatchHub } from "./watch-hub.ts";

export interface EventsDoor {
  /** Never rejects: what goes wrong is the answer. */
  serve(req: ClientRequest, res: ClientResponse): Promise<void>;
  /** Ends all that there are. */
  close(): void;
}

export interface EventsDoorDeps {
  readonly hub: Pick<WatchHub, "watch">;
  readonly authenticator: Pick<Authenticator, "authenticate" | "whyNot">;
  readonly refuse: Refuse;
  readonly log: Log;
}

export function createEventsDoor(deps: EventsDoorDeps): EventsDoor {
  const stopping = new AbortController();

  async function judge(req: ClientRequest, signal: AbortSignal): Promise<Principal | undefined> {
    const secure = "encrypted" in req.socket && req.socket.encrypted === true;
    const presented = presentedBy(req, { secure, upgrade: false });
    const principal = await deps.authenticator.authenticate(presented, signal);
    const decision = decide(principal, accessOf(WatchService.method.watch), { said: [] });
    if (decision.ok) return principal;
    throw deps.refuse(decision, { what: "/events", principal, whyNot: deps.authenticator.whyNot(presented) });
  }

  async function tell(req: ClientRequest, res: ClientResponse, signal: AbortSignal): Promise<void> {
    if (req.method !== "GET") throw new ConnectError("This is only to be read, by GET.", Code.Unimplemented);
    const principal = await judge(req, signal);
    const lastEventId = req.headers["last-event-id"];
    const query = readEventsQuery(req.url ?? "", typeof lastEventId === "string" ? lastEventId : undefined);
    if (!query.ok) throw brokenWord(query.word, { rule: "events.query", message: query.message });
    const broken = brokenIn(WatchRequestSchema, query.request);
    if (broken) throw broken;
    for await (const news of deps.hub.watch(query.request, principal, signal)) {
      const isFirst = !res.headersSent;
      if (isFirst) begin(res);
      await write(res, `${isFirst ? firstWords : ""}${eventsOf(news)}`, signal);
    }
  }

  /** Not before there is something to tell: until then a refusal has a status of its own. */
  function begin(res: ClientResponse): void {
    res.setHeader("Content-Type", "text/event-stream; charset=utf-8");
    // A proxy in between is to pass on what comes as it comes.
    res.setHeader("X-Accel-Buffering", "no");
    res.statusCode = 200;
  }

  return {
    async serve(req, res) {
      const request = { kind: "http", req, res } as const;
      const signal = AbortSignal.any([goneSignal(request), stopping.signal]);
      try {
        await tell(req, res, signal);
      } catch (error) {
        if (!(error instanceof ConnectError) && !signal.aborted) {
          deps.log.error({ err: error }, "a stream of events failed");
        }
        const end = stopping.signal.aborted ? stopped : ConnectError.from(error, Code.Internal);
        if (res.headersSent) res.end(lastWords(codeToString(end.code), end.rawMessage));
        else refuse(request, end);
      }
    },
    close: () => stopping.abort(stopped),
  };
}

/** At GET /events of the console's own pages. */
export function serveEvents(app: FastifyInstance, events: EventsDoor, headers: Readonly<Record<string, string>>): void {
  app.all("/events", (request, reply) => {
    reply.hijack();
    for (const [name, value] of Object.entries(headers)) reply.raw.setHeader(name, value);
    void events.serve(request.raw, reply.raw);
  });
}

const stopped = sayWhenBack(new ConnectError("The agent is stopping.", Code.Unavailable));

/** As a call that Connect refuses. */
function refuse(request: DoorRequest, error: ConnectError): void {
  const status = codeToHttpStatus(error.code);
  const retryAfter = [...error.metadata].filter(([name]) => name === "retry-after");
  const body = `${JSON.stringify(errorToJson(error, undefined))}\n`;
  answer(request, status, [["Content-Type", "application/json"], ...retryAfter], body);
}

/** Resolves when there is room for more, so that a client that reads slowly is owed one write. */
async function write(res: Writable, text: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (!res.write(text)) await once(res, "drain", { signal });
}
