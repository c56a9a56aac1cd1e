/** At which peers an app's pods are, for doors and for somebody who names the peer or the pod, or neither. Pure. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { RemoteAppSpec } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { RemoteApp } from "../kube/resources.ts";
import { namesIn } from "../workloads/origin/shared-content.ts";
import { type Concern, concernOfSpec } from "./access/concern.ts";

/** The peers that run it now, or are to. */
export function peersOf({ spec, status }: RemoteApp): string[] {
  const reported = (status?.peers ?? []).flatMap(({ peer }) => peer ?? []);
  if (reported.length > 0) return reported;
  return [spec.peer ?? status?.peer ?? ""].filter((name) => name !== "");
}

/** The peer that an app names and those that run it, be it by name or because a selector has placed it there. */
export function namedPeersOf(app: RemoteApp): string[] {
  return [...new Set([...(app.spec.peer === undefined ? [] : [app.spec.peer]), ...peersOf(app)])];
}

/** Which peers an app concerns: those that run it and the one that is to, or all where it may be placed anywhere. */
export function concernOfApp(app: RemoteApp): Concern {
  return concernOfSpec(app.spec) === "all" ? "all" : namedPeersOf(app);
}

/** Whether the spec names Secrets or ConfigMaps of its namespace that the app as it is does not. */
export function namesMore(app: Pick<RemoteApp, "metadata" | "spec"> | undefined, spec: RemoteAppSpec): boolean {
  const had = new Set(app ? namesIn(app).map(({ kind, name }) => `${kind} ${name}`) : []);
  return namesIn({ metadata: {}, spec }).some(({ kind, name }) => !had.has(`${kind} ${name}`));
}

/**
 * Who answers for an app: of several peers one with a link that has it ready, and always the same one as long as nothing changes;
 * undefined while it runs nowhere.
 */
export function answeringPeer(app: RemoteApp, isConnected: (peer: string) => boolean): string | undefined {
  const { spec, status } = app;
  if (spec.peer !== undefined) return spec.peer;
  const all = (status?.peers ?? []).map(({ peer = "", phase, readyReplicas = 0, leaving }) => {
    // The earlier counts for more.
    const is = [!leaving, isConnected(peer), phase === "Ready", readyReplicas > 0];
    return { peer, rank: is.reduce((rank, yes) => rank * 2 + Number(yes), 0) };
  });
  const best = Math.max(...all.map(({ rank }) => rank));
  return all.find(({ rank }) => rank === best)?.peer ?? status?.peer;
}

/** Throws a ConnectError that says what to name. */
export function choosePeer(
  app: RemoteApp,
  wanted: { peer?: string | undefined; pod?: string | undefined },
  isConnected: (peer: string) => boolean,
): string {
  const name = `${app.metadata.namespace}/${app.metadata.name}`;
  const peers = peersOf(app);
  if (wanted.peer) {
    if (peers.includes(wanted.peer)) return wanted.peer;
    const where = peers.length > 0 ? `it runs at ${peers.join(", ")}` : "it runs nowhere yet";
    throw new ConnectError(`${name} does not run at ${wanted.peer}; ${where}`, Code.NotFound);
  }
  const [only, ...others] = peers;
  if (only === undefined) throw new ConnectError(`${name} runs nowhere yet`, Code.FailedPrecondition);
  if (others.length === 0) return only;
  if (!wanted.pod) return answeringPeer(app, isConnected) ?? only;
  const itsPeer = (app.status?.pods ?? []).find((pod) => pod.name === wanted.pod)?.peer;
  if (itsPeer) return itsPeer;
  const message = `${name} runs at ${peers.join(", ")}, and none of them has told of a pod ${wanted.pod}: name the peer too`;
  throw new ConnectError(message, Code.FailedPrecondition);
}
