/** `AppService`: RemoteApps of this cluster, written and read through its own API server. */
import { isDeepStrictEqual } from "node:util";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { AuditLog } from "../../audit/audit-log.ts";
import type { Clock } from "../../base/clock.ts";
import {
  type App,
  type AppService,
  DeployAppResponse_Outcome as Outcome,
} from "../../gen/fairlead/console/v1/app_service_pb.ts";
import type { ObjectRef } from "../../gen/fairlead/console/v1/object_pb.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { KubeClient } from "../../kube/client.ts";
import { type RemoteApp, remoteApps } from "../../kube/resources.ts";
import type { WorkloadHost } from "../../workloads/host/host.ts";
import type { WorkloadOrigin } from "../../workloads/origin/origin.ts";
import type { Concern } from "../access/concern.ts";
import { sees, viewOf } from "../access/decide.ts";
import { judgeMoreKey } from "../access/guard.ts";
import { concernOfApp } from "../app-peer.ts";
import { principalKey } from "../auth/principal.ts";
import { type Changed, createAppChanges, noSuchApp } from "./app-changes.ts";
import { deleteApp } from "./app-deletion.ts";
import { toRevisions } from "./app-revisions.ts";
import { appStory } from "./app-story.ts";
import { verdictOf } from "./app-verdict.ts";
import type { Listing } from "./listing.ts";
import { appList, orphanAtPeerList, orphanList, revisionList } from "./lists.ts";
import { toApp, toOrphan, toOrphanAtPeer } from "./object.ts";
import { requiredRef, requiredSpec } from "./required-parts.ts";
import { peoplesOwn } from "./seen-changes.ts";

/** What writes through this API owns what it wrote, apart from what the agent itself applies. */
const fieldManager = "fairlead-console";

/** Of a story, so many of the latest happenings unless said. */
const usualStory = 200;

export interface AppServiceDeps {
  readonly kube: Pick<KubeClient, "get" | "list" | "create" | "apply" | "mergePatch" | "delete">;
  /** All RemoteApps, as this agent knows them. */
  readonly apps: Pick<WorkloadOrigin, "list" | "synced">;
  /** Mints an address that opens the app's page once. Throws a ConnectError when there is no such app or port. */
  openApp(
    app: { namespace: string; name: string; port: string; path: string },
    context: HandlerContext,
  ): { url: string; host: string };
  /** Workloads here whose origin no longer knows them. */
  readonly here: Pick<WorkloadHost, "orphans" | "deleteOrphan">;
  /** What connected peers run for us that no RemoteApp stands for. */
  readonly atPeers: Pick<WorkloadOrigin, "orphans" | "adopt" | "deleteOrphan">;
  /** Asks a peer whether it would run an app. */
  readonly check: WorkloadOrigin["check"];
  /** What was asked of this agent and done. */
  readonly audit: Pick<AuditLog, "list">;
  readonly clock: Clock;
  /** The names of all peers. */
  peers(): readonly string[];
}

export function createAppService(deps: AppServiceDeps, listing: Listing): ServiceImpl<typeof AppService> {
  const { kube } = deps;
  const changes = createAppChanges(deps);

  async function find(ref: ObjectRef | undefined, signal: AbortSignal): Promise<RemoteApp> {
    const wanted = requiredRef(ref);
    const found = await kube.get(remoteApps, wanted, signal);
    if (found) return found;
    throw noSuchApp(wanted);
  }

  /** What an app that is there would be after this: what others wrote in it stays. */
  async function asDeployed(
    { metadata: { namespace = "", name = "" } }: RemoteApp,
    spec: RemoteAppSpec,
    peer: string | undefined,
    signal: AbortSignal,
  ): Promise<RemoteAppSpec> {
    const isPlaced = spec.peer !== undefined || spec.placement !== undefined;
    const draft = isPlaced || peer === undefined ? spec : { ...spec, peer };
    const options = { fieldManager, force: true, dryRun: true };
    return (await kube.apply(remoteApps, { metadata: { namespace, name }, spec: draft }, options, signal)).spec;
  }

  return {
    async listApps(request, { values, signal }) {
      await deps.apps.synced(signal);
      const { namespace } = request;
      const view = viewOf(values.get(principalKey));
      const all = deps.apps
        .list()
        .filter((app) => (namespace === "" || app.metadata.namespace === namespace) && sees(view, concernOfApp(app)));
      const { items, ...page } = listing(appList, all, request);
      return { ...page, apps: items.map(toApp) };
    },

    async getApp({ ref }, { signal }) {
      return { app: toApp(await find(ref, signal)) };
    },

    async deployApp({ ref, spec, labels, annotations, dryRun }, { signal }) {
      const { namespace, name } = requiredRef(ref);
      const before = await kube.get(remoteApps, { namespace, name }, signal);
      const metadata = { namespace, name, labels, annotations: peoplesOwn(annotations) };
      const applied = await kube.apply(
        remoteApps,
        { metadata, ...(spec && { spec }) },
        { fieldManager, force: true, dryRun },
        signal,
      );
      const outcome = outcomeOf(before, applied);
      // What others wrote stays in it, and goes to the peer too.
      const { peer } = applied.spec;
      if (!dryRun || peer === undefined) return { app: toApp(applied), outcome };
      const verdict = await verdictOf(deps, { peer, spec: applied.spec, uid: before?.metadata.uid }, signal);
      return { app: toApp(applied), outcome, verdict };
    },

    async checkApp({ ref, peers, ...request }, { signal }) {
      const spec = requiredSpec(request.spec);
      const found = ref && (await kube.get(remoteApps, { namespace: ref.namespace, name: ref.name }, signal));
      const asked = peers.length > 0 ? peers : spec.peer === undefined ? deps.peers() : [spec.peer];
      const judged = found ? await asDeployed(found, spec, asked[0], signal) : spec;
      // A peer that is named twice is one peer.
      const verdicts = [...new Set(asked)].map((peer) =>
        verdictOf(deps, { peer, spec: judged, uid: found?.metadata.uid }, signal),
      );
      return { verdicts: await Promise.all(verdicts) };
    },

    async scaleApp({ ref, replicas, currentReplicas, dryRun }, { signal }) {
      return told(await changes.scale(requiredRef(ref), { replicas, current: currentReplicas, dryRun }, signal));
    },

    async restartApp({ ref, dryRun }, { signal }) {
      return told(await changes.restart(requiredRef(ref), dryRun, signal));
    },

    async pauseApp({ ref, dryRun }, { signal }) {
      return told(await changes.pause(requiredRef(ref), true, dryRun, signal));
    },

    async resumeApp({ ref, dryRun }, { signal }) {
      return told(await changes.pause(requiredRef(ref), false, dryRun, signal));
    },

    async listAppRevisions(request, { signal }) {
      const { app, revisions } = await changes.revisions(requiredRef(request.ref), signal);
      const { items, ...page } = listing(revisionList, toRevisions(app, revisions), request);
      return { ...page, revisions: items };
    },

    async getAppStory({ ref, limit }, { values, signal }) {
      const { app, revisions } = await changes.revisions(requiredRef(ref), signal);
      const records = deps.audit.list({ action: "app", ofPeers: viewOf(values.get(principalKey)) });
      const story = appStory(app, { revisions: toRevisions(app, revisions), records });
      return { happenings: story.slice(-(limit || usualStory)) };
    },

    async rollBackApp({ ref, toRevision, dryRun }, { values, signal }) {
      const judge = (said: Concern): void => values.get(judgeMoreKey)({ said });
      const asked = { to: Number(toRevision), dryRun, judge };
      const rolledBack = await changes.rollBack(requiredRef(ref), asked, signal);
      return { ...told(rolledBack), revision: BigInt(rolledBack.revision) };
    },

    async editApp({ ref, generation, ...edited }, { signal }) {
      const asked = { ...edited, spec: requiredSpec(edited.spec), generation: Number(generation) };
      return told(await changes.edit(requiredRef(ref), asked, signal));
    },

    deleteApp: ({ ref, keep, dryRun }, { signal }) => deleteApp(kube, requiredRef(ref), { keep, dryRun }, signal),

    openApp({ ref, port, path }, context) {
      const { namespace, name } = requiredRef(ref);
      return deps.openApp({ namespace, name, port, path: path || "/" }, context);
    },

    listOrphans(request, { values }) {
      const view = viewOf(values.get(principalKey));
      const all = deps.here.orphans().filter(({ peer }) => view(peer));
      const { items, ...page } = listing(orphanList, all, request);
      return { ...page, orphans: items.map(toOrphan) };
    },

    listOrphansAtPeers(request, { values }) {
      const view = viewOf(values.get(principalKey));
      const all = deps.atPeers.orphans().filter(({ peer }) => view(peer));
      const { items, ...page } = listing(orphanAtPeerList, all, request);
      return { ...page, orphansAtPeers: items.map(toOrphanAtPeer) };
    },

    async deleteOrphan({ workload }, { signal }) {
      const ref = requiredRef(workload);
      if (await deps.here.deleteOrphan({ namespace: ref.namespace, name: ref.name }, signal)) return {};
      throw new ConnectError(`${ref.namespace}/${ref.name} is no orphan here`, Code.NotFound);
    },

    async adoptOrphan({ peer, uid }, { signal }) {
      return { app: toApp(await deps.atPeers.adopt(peer, uid, signal)) };
    },

    async deleteOrphanAtPeer({ peer, uid }, { signal }) {
      await deps.atPeers.deleteOrphan(peer, uid, signal);
      return {};
    },
  };
}

function outcomeOf(before: RemoteApp | undefined, after: RemoteApp): Outcome {
  if (!before) return Outcome.CREATED;
  const isSame = isDeepStrictEqual(shape(before), shape(after));
  return isSame ? Outcome.UNCHANGED : Outcome.CONFIGURED;
}

/** What a person says of an app; the rest is the agents' and the API server's. */
function shape({ metadata }: RemoteApp): object {
  const { generation, labels = {}, annotations = {} } = metadata;
  return { generation, labels, annotations: peoplesOwn(annotations) };
}

function told({ app, changed }: Changed): { app: App; changed: boolean } {
  return { app: toApp(app), changed };
}
