/** `TunnelService`: what is at peers and can be reached from here, and by which Forwards it is. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { abortable, startDeadline } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import { mapLimited } from "../../base/map-limited.ts";
import {
  type Connection,
  ConnectionSchema,
  OpenTargetRequestSchema,
  type PeerTarget,
  PeerTargetSchema,
  Connection_Side as Side,
  type TunnelService,
} from "../../gen/fairlead/console/v1/tunnel_service_pb.ts";
import type { Forward as ForwardResource } from "../../kube/resources.ts";
import { noSuchPeer } from "../../peering/roster.ts";
import { httpScheme } from "../../tunnel/app-port.ts";
import type { Connections, Connection as OpenConnection } from "../../tunnel/connections.ts";
import type { KnownForward } from "../../tunnel/forwards/forwards.ts";
import type { TargetsAtPeer } from "../../tunnel/targets-at.ts";
import { isDatagrams, type NamedTarget, parseTarget, targetText } from "../../wire/target-text.ts";
import { concernOfForward } from "../access/concern.ts";
import { viewOf } from "../access/decide.ts";
import { judgeMoreKey } from "../access/guard.ts";
import { type Principal, principalKey } from "../auth/principal.ts";
import { type HttpTarget, type TargetDoor, targetPath } from "../doors/target-door.ts";
import { brokenRule } from "./broken-rule.ts";
import { type ForwardChanges, noSuchForward } from "./forward-changes.ts";
import type { Listing } from "./listing.ts";
import { connectionList, forwardList, targetList } from "./lists.ts";
import { toForward } from "./object.ts";
import { requiredRef, requiredSpec } from "./required-parts.ts";

export interface TunnelServiceDeps {
  /** Of all peers. */
  peers(): readonly string[];
  /** Undefined when there is no such peer. `since` is RFC 3339 in UTC. */
  presence(peer: string): { readonly connected: boolean; readonly since?: string | undefined } | undefined;
  /** Asks the peer. Rejects with a ConnectError. */
  listTargets(peer: string, signal: AbortSignal): Promise<TargetsAtPeer>;
  /** An address that opens it in a browser. Throws a ConnectError that says why not. */
  openTarget(
    asked: TargetDoor & { readonly path: string },
    principal: Principal,
    context: HandlerContext,
  ): { url: string; host: string };
  /** Of this cluster. */
  listForwards(signal: AbortSignal): Promise<KnownForward[]>;
  readonly forwards: ForwardChanges;
  /** What is open at this moment. */
  readonly connections: Pick<Connections, "list" | "end">;
  readonly clock: Clock;
}

/** Peers that are asked together, and how long each may take, in milliseconds. */
const atOnce = 16;
const timeoutMs = 20_000;

export function createTunnelService(deps: TunnelServiceDeps, listing: Listing): ServiceImpl<typeof TunnelService> {
  async function ask(peer: string, signal: AbortSignal) {
    const tooLate = () =>
      new ConnectError(`${peer} did not answer within ${timeoutMs / 1_000} s`, Code.DeadlineExceeded);
    const deadline = startDeadline(deps.clock, timeoutMs, tooLate, signal);
    try {
      const said = await abortable(deps.listTargets(peer, deadline.signal), deadline.signal);
      const targets = said.targets
        .filter(({ target }) => parseTarget(target))
        .map(({ $typeName: _type, $unknown: _more, ...one }): PeerTarget => {
          const door = one.appProtocol === "" ? undefined : httpDoor(peer, one);
          return create(PeerTargetSchema, { ...one, peer, path: door ? `${targetPath(door)}/` : "" });
        });
      return { targets, problems: said.problems.map((message) => ({ peer, message })) };
    } finally {
      deadline.cancel();
    }
  }

  async function askOneOfAll(peer: string, signal: AbortSignal) {
    const presence = deps.presence(peer);
    const failed = (message: string) => ({ targets: [], problems: [{ peer, message }] });
    if (!presence?.connected)
      return failed(`There is no connection to it since ${presence?.since ?? "it was removed"}.`);
    try {
      return await ask(peer, signal);
    } catch (error) {
      signal.throwIfAborted();
      return failed(ConnectError.from(error).rawMessage);
    }
  }

  return {
    async listTargets(request, { values, signal }) {
      const { peer } = request;
      const answer = ({ targets, problems }: Awaited<ReturnType<typeof ask>>) => {
        const { items, ...page } = listing(targetList, targets, request);
        return { ...page, targets: items, problems };
      };
      const view = viewOf(values.get(principalKey));
      if (peer !== "") {
        if (!deps.presence(peer) || !view(peer)) throw noSuchPeer(peer);
        return answer(await ask(peer, signal));
      }
      const peers = deps.peers().filter(view).toSorted();
      const all = await mapLimited(peers, atOnce, (one) => askOneOfAll(one, signal));
      return answer({
        targets: all.flatMap(({ targets }) => targets),
        problems: all.flatMap(({ problems }) => problems),
      });
    },

    async openTarget({ peer, target: text, path, appProtocol }, context) {
      const principal = context.values.get(principalKey);
      if (!principal) throw new ConnectError("nobody is signed in", Code.Unauthenticated);
      if (!deps.presence(peer)) throw noSuchPeer(peer);
      const wanted = parseTarget(text);
      if (wanted?.kind !== "service" && wanted?.kind !== "address") throw notOpened(text, wanted?.kind);
      const { targets } = await ask(peer, context.signal);
      const found = findTarget(targets, wanted);
      if (!found) {
        const message = `${peer} lets this agent reach nothing that is ${text}; \`fairlead target list ${peer}\` says what it does.`;
        throw new ConnectError(message, Code.NotFound);
      }
      const door = httpDoor(peer, appProtocol === "" ? found : { ...found, appProtocol });
      if (door) return deps.openTarget({ ...door, path: path || "/" }, principal, context);
      const message = `${found.target} speaks ${found.appProtocol || found.protocol}, which no browser can show.`;
      throw new ConnectError(message, Code.FailedPrecondition);
    },

    async listForwards(request, { values, signal }) {
      const { peer, namespace } = request;
      const view = viewOf(values.get(principalKey));
      const all = (await deps.listForwards(signal)).filter(({ forward }) => view(forward.spec.peer ?? ""));
      const ofPeer = peer === "" ? all : all.filter(({ forward }) => forward.spec.peer === peer);
      // One that waits for such a peer is just what is looked for.
      if (peer !== "" && ofPeer.length === 0 && !(deps.presence(peer) && view(peer))) throw noSuchPeer(peer);
      const wanted = ofPeer.filter(({ forward }) => namespace === "" || forward.metadata.namespace === namespace);
      const { items, ...page } = listing(forwardList, wanted, request);
      return { ...page, forwards: items.map(({ forward, counts }) => toForward(forward, counts)) };
    },

    listConnections(request, { values }) {
      const { peer } = request;
      const view = viewOf(values.get(principalKey));
      if (peer !== "" && !(deps.presence(peer) && view(peer))) throw noSuchPeer(peer);
      const seen = deps.connections.list().filter((one) => view(one.peer) && (peer === "" || one.peer === peer));
      const { items, ...page } = listing(connectionList, seen, request);
      return { ...page, connections: items.map(toConnection) };
    },

    endConnection({ peer, id }) {
      const ended = deps.connections.end(peer, id);
      if (ended) return { connection: toConnection(ended) };
      const message = `there is no connection ${id} with ${peer}, or no more; see: fairlead connection list ${peer}`;
      throw new ConnectError(message, Code.NotFound);
    },

    async getForward({ ref }, { values, signal }) {
      const wanted = requiredRef(ref);
      const forward = await deps.forwards.get(wanted, signal);
      const view = viewOf(values.get(principalKey));
      if (!view(forward.spec.peer ?? "")) throw noSuchForward(wanted);
      const { metadata } = forward;
      // What was written may not be heard of yet, and what is heard of may be newer in how it stands.
      const known = (await deps.listForwards(signal)).find((one) => one.forward.metadata.uid === metadata.uid);
      const status = known?.forward.status ?? forward.status;
      return { forward: toForward({ ...forward, ...(status && { status }) }, known?.counts) };
    },

    async createForward({ ref, spec, ...draft }, { signal }) {
      const made = await deps.forwards.make(requiredRef(ref), { ...draft, spec: requiredSpec(spec) }, signal);
      return { forward: toForward(made, undefined) };
    },

    async updateForward({ ref, spec, ...draft }, { values, signal }) {
      const seen = { ...draft, spec: requiredSpec(spec), check: mayChange(values) };
      const { before, now, changed } = await deps.forwards.change(requiredRef(ref), seen, signal);
      return { forward: toForward(now, undefined), changed, before: toForward(before, undefined) };
    },

    async deleteForward({ ref, version, dryRun }, { values, signal }) {
      const how = { version, dryRun, check: mayChange(values) };
      return { forward: toForward(await deps.forwards.delete(requiredRef(ref), how, signal), undefined) };
    },
  };
}

function toConnection({ id, peer, side, target, person, correlation, openedAt, passed }: OpenConnection): Connection {
  return create(ConnectionSchema, {
    id,
    peer,
    side: sides[side],
    target: targetText(target),
    protocol: isDatagrams(target) ? "UDP" : "TCP",
    openedBy: person ?? "",
    openedAt: new Date(openedAt).toISOString(),
    bytesOut: BigInt(passed.out),
    bytesIn: BigInt(passed.in),
    correlation: correlation ?? "",
  });
}

const sides = { Here: Side.HERE, Peer: Side.PEER } as const;

/** It may lead to another peer by now than when the call was judged. */
function mayChange(values: ContextValues): (present: ForwardResource) => void {
  return ({ spec }) => values.get(judgeMoreKey)({ said: [], found: concernOfForward(spec), shownTo: spec.peer ?? "" });
}

/** Of a name without a port, what is known to speak HTTP comes before what may, and that before what cannot. */
function findTarget(targets: readonly PeerTarget[], wanted: HttpTarget): PeerTarget | undefined {
  const sameName = targets.filter((one) => {
    const target = parseTarget(one.target);
    return target !== undefined && nameOf(target) === nameOf(wanted);
  });
  const { port } = wanted;
  const mayStream = ({ target }: PeerTarget): boolean => !target.endsWith("/udp");
  if (port === undefined) return sameName.find(({ path }) => path !== "") ?? sameName.find(mayStream) ?? sameName[0];
  return sameName.find((one) => one.target === targetText(wanted) || (one.portName !== "" && one.portName === port));
}

/** Without its port. */
function nameOf(target: NamedTarget): string {
  if (target.kind === "service") return `${target.namespace}/${target.name}`;
  return target.kind === "address" ? target.name : "";
}

/** Undefined for what no browser can show. */
function httpDoor(peer: string, one: { target: string; appProtocol: string }): TargetDoor | undefined {
  const target = parseTarget(one.target);
  const scheme = httpScheme(one.appProtocol);
  if (target?.kind !== "service" && target?.kind !== "address") return undefined;
  if (scheme === undefined || target.network === "udp") return undefined;
  return { peer, target, scheme };
}

function notOpened(text: string, kind: string | undefined): ConnectError {
  const hint =
    kind === "app" ? "`fairlead app open` opens the page of an app" : "a Service or an address can be opened";
  const message = `${text} is not opened in this way; ${hint}.`;
  return brokenRule(OpenTargetRequestSchema, { path: "target", rule: "target.opened", message });
}
