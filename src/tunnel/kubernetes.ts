/**
 * The host's end of kubectl: a peer's HTTP/1.1 requests for the API of this cluster. What says who asks is taken off them, and
 * they go on in the peer's name, never in the agent's: RBAC decides, and before it the policy, on each request.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/error-text.ts";
import { serveOnStreams } from "../base/http-on-streams.ts";
import type { Log } from "../base/log.ts";
import type { ApiGateway } from "../kube/api-gateway.ts";
import { type RequestInfo, type ResourceRequest, readRequest, resourceName } from "../kube/request-info.ts";
import { type StreamRecord, withRule } from "../peering/stream-record.ts";
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import { describeRequest, permitKubernetes } from "../policy/kubernetes.ts";
import type { ExitCaller } from "./exit-caller.ts";
import { askWhetherAllowed } from "./kubernetes-access.ts";
import { exchange, exchangeUpgrade, sendStatus, writeStatus } from "./kubernetes-answer.ts";
import { apiHeaders, type Impersonated, impersonate, readPerson } from "./kubernetes-headers.ts";
import { badRequest, forbidden, type StatusAnswer, unavailable } from "./kubernetes-status.ts";
import type { StreamServer } from "./way.ts";

export interface KubernetesExitDeps {
  readonly gateway: Pick<ApiGateway, "request">;
  /** Undefined for who is no peer. */
  policyOf(fingerprint: string): EffectivePolicy | undefined;
  readonly record: Pick<StreamRecord, "note">;
  readonly clock: Clock;
  readonly log: Log;
  /** Requests of one peer at a time, watches among them; 512 unless given. */
  readonly maxPerPeer?: number;
}

export interface KubernetesExit extends StreamServer {
  /** Asks the policies again about what is under way, of one peer or of all, and breaks off what is no longer allowed. */
  review(fingerprint?: string): void;
  /** Requests under way. */
  readonly size: number;
}

/** Of a connection that is kept between two requests, in milliseconds. */
const idleMs = 60_000;

/** One request under way. */
interface Running {
  readonly caller: ExitCaller;
  readonly info: RequestInfo;
  breakOff(): void;
}

/** These run programs and carry bytes both ways: whoever may only read may not. Over a WebSocket an API server up to 1.34 asks for `get` alone. */
const asksForCreate = new Set(["pods/exec", "pods/attach", "pods/portforward"]);
/** Behind these stands another program, of which an upgrade makes more than a reader. Of a kubelet it runs anything. */
const proxies = new Set(["nodes/proxy", "pods/proxy", "services/proxy"]);

export function createKubernetesExit(deps: KubernetesExitDeps): KubernetesExit {
  const { gateway, log } = deps;
  const maxPerPeer = deps.maxPerPeer ?? 512;
  const callers = new WeakMap<Duplex, ExitCaller>();
  const running = new Set<Running>();
  /** How many of them are a peer's, by fingerprint. */
  const held = new Map<string, number>();
  const server = createServer({ maxHeaderSize: 64 * 1024 });

  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    const client = {
      refuse: (answer: StatusAnswer): void => {
        req.resume();
        sendStatus(res, answer, req.url ?? "");
      },
      breakOff: () => void res.destroy(),
    };
    pass(req, undefined, client, async (peer, out) => exchange(peer, req, res, out)).catch((error: unknown) => {
      log.debug({ err: error }, "a request for the Kubernetes API failed");
      client.refuse(unavailable(`The agent of that cluster could not ask its API server: ${errorText(error)}`));
    });
  };
  server.on("request", onRequest);
  server.on("checkContinue", (req: IncomingMessage, res: ServerResponse) => {
    res.writeContinue();
    onRequest(req, res);
  });
  server.on("upgrade", (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => undefined);
    const client = {
      refuse: (answer: StatusAnswer) => writeStatus(socket, answer),
      breakOff: () => void socket.destroy(),
    };
    const upgrade = req.headers.upgrade ?? "";
    pass(req, upgrade, client, async (peer, out) => exchangeUpgrade(peer, { socket, head }, out)).catch(
      (error: unknown) => {
        log.debug({ err: error }, "an upgrade of the Kubernetes API failed");
        client.refuse(unavailable(`The agent of that cluster could not ask its API server: ${errorText(error)}`));
      },
    );
  });
  server.on("clientError", (_error: Error, socket: Duplex) => void socket.destroy());
  const streams = serveOnStreams(server, { clock: deps.clock, idleMs });

  /** Judges a request, and sends it on; resolves when it is over. */
  async function pass(
    req: IncomingMessage,
    upgrade: string | undefined,
    client: { refuse(answer: StatusAnswer): void; breakOff(): void },
    send: (peer: string, out: Awaited<ReturnType<ApiGateway["request"]>>) => Promise<void>,
  ): Promise<void> {
    const caller = callers.get(req.socket);
    const policy = caller && deps.policyOf(caller.fingerprint);
    if (!caller || caller.peer === undefined || !policy) return client.breakOff();
    const { peer } = caller;
    const { method = "GET", url: target = "/" } = req;
    const person = readPerson(req.headers["fairlead-person"]);
    const read = readRequest(method, target);
    const path = target.split("?")[0] ?? "";
    const refuse = (answer: StatusAnswer, rule: string, what: string): void => {
      note(caller, path, person, { verdict: "denied", rule, message: `${what}: ${answer.message}` });
      client.refuse(answer);
    };
    if (!read.ok) return refuse(badRequest(withRule(read.message, "kubernetes/path")), "kubernetes/path", method);
    const { info } = read;
    const what = describeRequest(info);
    const permission = permitKubernetes(peer, info, policy.kubernetes);
    if (!permission.allowed) {
      return refuse(forbidden(withRule(permission.message, permission.rule)), permission.rule, what);
    }
    const ofPeer = held.get(caller.fingerprint) ?? 0;
    if (ofPeer >= maxPerPeer) {
      const message = withRule(
        `You have ${maxPerPeer} requests under way here, as many as one peer may have.`,
        "kubernetes/limit",
      );
      return refuse({ code: 429, reason: "TooManyRequests", message, retryAfterSeconds: 1 }, "kubernetes/limit", what);
    }
    const gone = new AbortController();
    const entry: Running = {
      caller,
      info,
      breakOff() {
        gone.abort();
        client.breakOff();
      },
    };
    running.add(entry);
    held.set(caller.fingerprint, ofPeer + 1);
    req.socket.once("close", () => gone.abort());
    try {
      const as = impersonate(peer, policy.kubernetes.groups, person);
      const refusal = await mayCreate(info, upgrade, as, peer, gone.signal);
      if (refusal) return refuse(refusal, "kubernetes/create", what);
      const out = await gateway.request({
        method,
        target,
        headers: apiHeaders(req.rawHeaders, { as, upgrade, method }),
        signal: gone.signal,
      });
      note(caller, path, person, { verdict: "allowed", message: what });
      await send(peer, out);
    } finally {
      running.delete(entry);
      const left = (held.get(caller.fingerprint) ?? 1) - 1;
      if (left > 0) held.set(caller.fingerprint, left);
      else held.delete(caller.fingerprint);
    }
  }

  async function mayCreate(
    info: RequestInfo,
    upgrade: string | undefined,
    as: Impersonated,
    peer: string,
    signal: AbortSignal,
  ): Promise<StatusAnswer | undefined> {
    if (info.kind !== "resource" || !needsCreate(info, upgrade !== undefined)) return undefined;
    return askWhetherAllowed(gateway, { ...info, verb: "create" }, as, peer, signal);
  }

  function note(
    { peer, fingerprint, correlation }: ExitCaller,
    path: string,
    person: string | undefined,
    how: { verdict: "allowed" | "denied"; rule?: string; message: string },
  ): void {
    const says = person === undefined ? "" : ` (for ${person}, as the peer says)`;
    deps.record.note(fingerprint, {
      action: "kube.request",
      actor: { peer, fingerprint },
      target: `kubernetes${path}`,
      correlation,
      ...how,
      message: how.message + says,
    });
  }

  return {
    serve(caller, stream, signal) {
      callers.set(stream, caller);
      return streams.serve(stream, signal);
    },
    review(fingerprint) {
      for (const one of running) {
        const { caller, info } = one;
        if (fingerprint !== undefined && caller.fingerprint !== fingerprint) continue;
        const policy = deps.policyOf(caller.fingerprint);
        if (!policy || !permitKubernetes(caller.peer ?? "", info, policy.kubernetes).allowed) one.breakOff();
      }
    },
    get size() {
      return running.size;
    },
  };
}

function needsCreate(info: ResourceRequest, upgrade: boolean): boolean {
  if (info.group !== "") return false;
  const name = resourceName(info);
  return asksForCreate.has(name) || (upgrade && (proxies.has(name) || info.verb === "proxy"));
}
