/** What the console tells of the agent itself, of all that stands below it. */
import type { Doctor } from "../doctor/doctor.ts";
import { keyOf } from "../kube/object.ts";
import type { Reflector } from "../kube/reflector.ts";
import type { Peer } from "../kube/resources.ts";
import type { Peering } from "../peering/peering.ts";
import type { Workloads } from "../workloads/workloads.ts";
import { sees } from "./access/decide.ts";
import type { AgentServiceDeps } from "./api/agent-service.ts";
import { comparePeer } from "./api/peer-version.ts";
import { concernOfApp } from "./app-peer.ts";

export interface AboutAgentDeps
  extends Pick<AgentServiceDeps, "about" | "settings" | "health" | "features" | "ownLog" | "clock"> {
  readonly url: string;
  readonly namespace: string;
  readonly peering: Pick<Peering, "roster" | "switchboard">;
  readonly peerObjects: Pick<Reflector<Peer>, "get">;
  readonly workloads: Workloads;
  readonly doctor: Pick<Doctor, "testConnection">;
}

export function aboutAgent(deps: AboutAgentDeps): AgentServiceDeps {
  return {
    ...deps,
    url: () => deps.url,
    counts: (view) => countAll(deps, view),
    versions: () =>
      deps.peering.roster.list().map(({ name }) => comparePeer(name, deps.about.version, versionOf(deps, name))),
    testConnection: (to, signal) => deps.doctor.testConnection(to, signal),
  };
}

/** As the peer says now, or has said last. */
export function versionOf(
  { peering, peerObjects, namespace }: Pick<AboutAgentDeps, "peering" | "peerObjects" | "namespace">,
  name: string,
): string | undefined {
  return peering.switchboard.status(name).version ?? peerObjects.get(keyOf({ namespace, name }))?.status?.version;
}

function countAll(
  { peering, workloads }: AboutAgentDeps,
  view: (peer: string) => boolean,
): ReturnType<AgentServiceDeps["counts"]> {
  const peers = peering.roster.list().filter(({ name }) => view(name));
  const apps = workloads.origin.list().filter((app) => sees(view, concernOfApp(app)));
  return {
    peers: peers.length,
    peersConnected: peers.filter(({ name }) => peering.switchboard.status(name).state === "connected").length,
    apps: apps.length,
    appsReady: apps.filter(({ status }) => status?.phase === "Ready").length,
    workloads: peers.reduce((sum, { fingerprint }) => sum + workloads.host.count(fingerprint), 0),
  };
}
