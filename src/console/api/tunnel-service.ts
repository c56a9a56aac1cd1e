/** `TunnelService`: what is at peers and can be reached from here, and by which Forwards it is. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { abortable, startDeadline } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import { mapLimited } from "../../base/map-limited.ts";
import {
  type PeerTarget,
  PeerTargetSchema,
  type TunnelService,
} from "../../gen/fairlead/console/v1/tunnel_service_pb.ts";
import { keyOf } from "../../kube/object.ts";
import { noSuchPeer } from "../../peering/roster.ts";
import type { KnownForward } from "../../tunnel/forwards/forwards.ts";
import type { TargetsAtPeer } from "../../tunnel/targets-at.ts";
import { parseTarget } from "../../wire/target-text.ts";
import { mayDial } from "../auth/may-dial.ts";
import { type Principal, principalKey } from "../auth/principal.ts";
import { toForward } from "./object.ts";

export interface TunnelServiceDeps {
  /** Of all peers. */
  peers(): readonly string[];
  /** Undefined when there is no such peer. `since` is RFC 3339 in UTC. */
  presence(peer: string): { readonly connected: boolean; readonly since?: string | undefined } | undefined;
  /** Asks the peer. Rejects with a ConnectError. */
  listTargets(peer: string, signal: AbortSignal): Promise<TargetsAtPeer>;
  /** Of this cluster. */
  listForwards(signal: AbortSignal): Promise<KnownForward[]>;
  readonly clock: Clock;
}

/** Peers that are asked together, and how long each may take, in milliseconds. */
const atOnce = 16;
const timeoutMs = 20_000;

export function createTunnelService(deps: TunnelServiceDeps): ServiceImpl<typeof TunnelService> {
  async function ask(peer: string, principal: Principal, signal: AbortSignal) {
    const tooLate = () =>
      new ConnectError(`${peer} did not answer within ${timeoutMs / 1_000} s`, Code.DeadlineExceeded);
    const deadline = startDeadline(deps.clock, timeoutMs, tooLate, signal);
    try {
      const said = await abortable(deps.listTargets(peer, deadline.signal), deadline.signal);
      const targets = said.targets
        .filter((one) => {
          const target = parseTarget(one.target);
          return target && mayDial(principal, peer, target) === undefined;
        })
        .map(({ $typeName: _type, $unknown: _more, ...one }): PeerTarget => create(PeerTargetSchema, { ...one, peer }));
      return { targets, problems: said.problems.map((message) => ({ peer, message })) };
    } finally {
      deadline.cancel();
    }
  }

  async function askOneOfAll(peer: string, principal: Principal, signal: AbortSignal) {
    const presence = deps.presence(peer);
    const failed = (message: string) => ({ targets: [], problems: [{ peer, message }] });
    if (!presence?.connected)
      return failed(`There is no connection to it since ${presence?.since ?? "it was removed"}.`);
    try {
      return await ask(peer, principal, signal);
    } catch (error) {
      signal.throwIfAborted();
      return failed(ConnectError.from(error).rawMessage);
    }
  }

  return {
    async listTargets({ peer }, { values, signal }) {
      const principal = values.get(principalKey);
      if (!principal) throw new ConnectError("nobody is signed in", Code.Unauthenticated);
      if (peer !== "") {
        if (!deps.presence(peer)) throw noSuchPeer(peer);
        return ask(peer, principal, signal);
      }
      const all = await mapLimited(deps.peers().toSorted(), atOnce, (one) => askOneOfAll(one, principal, signal));
      return {
        targets: all.flatMap(({ targets }) => targets),
        problems: all.flatMap(({ problems }) => problems),
      };
    },

    async listForwards({ peer, namespace }, { signal }) {
      const all = await deps.listForwards(signal);
      const ofPeer = peer === "" ? all : all.filter(({ forward }) => forward.spec.peer === peer);
      // One that waits for such a peer is just what is looked for.
      if (peer !== "" && ofPeer.length === 0 && !deps.presence(peer)) throw noSuchPeer(peer);
      const forwards = ofPeer
        .filter(({ forward }) => namespace === "" || forward.metadata.namespace === namespace)
        .toSorted((a, b) => (keyOf(a.forward) < keyOf(b.forward) ? -1 : 1))
        .map(({ forward, counts }) => toForward(forward, counts));
      return { forwards };
    },
  };
}
