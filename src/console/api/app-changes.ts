/** Changes of one RemoteApp's spec that go without a manifest: how many, whether paused, made anew, and what ran before. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isConflict, isNotFound } from "../../kube/errors.ts";
import type { JsonObject } from "../../kube/object.ts";
import { type ControllerRevision, controllerRevisions, type RemoteApp, remoteApps } from "../../kube/resources.ts";
import { timeText } from "../../kube/time.ts";
import {
  appLabel,
  causeAnnotation,
  causeOf,
  presentOf,
  rolledBack,
  specJson,
} from "../../workloads/origin/revision.ts";
import type { Concern } from "../access/concern.ts";
import { namesMore } from "../app-peer.ts";
import { mergePatchOf } from "./merge-patch.ts";
import { changedMeanwhile, createSeenChanges, refuseUnknown, type SeenDraft } from "./seen-changes.ts";

export interface AppRef {
  readonly namespace: string;
  readonly name: string;
}

export interface AppChangesDeps {
  readonly kube: Pick<KubeClient, "get" | "list" | "create" | "apply" | "mergePatch" | "delete">;
  readonly clock: Clock;
}

/** What became of a request. `changed`: it was not so before. */
export interface Changed {
  readonly app: RemoteApp;
  readonly changed: boolean;
}

/** An app as a person has edited it, and of which state. */
export interface EditedApp extends SeenDraft<RemoteAppSpec> {
  /** Of `versionOf`; empty where the next two say it. */
  readonly version: string;
  readonly uid: string;
  readonly generation: number;
}

/** All of it throws ConnectErrors for what a person can mend, and KubeErrors for the rest. */
export interface AppChanges {
  scale(
    ref: AppRef,
    o: { replicas: number; current?: number | undefined; dryRun: boolean },
    signal: AbortSignal,
  ): Promise<Changed>;
  restart(ref: AppRef, dryRun: boolean, signal: AbortSignal): Promise<Changed>;
  pause(ref: AppRef, paused: boolean, dryRun: boolean, signal: AbortSignal): Promise<Changed>;
  /** The latest first. */
  revisions(ref: AppRef, signal: AbortSignal): Promise<{ app: RemoteApp; revisions: ControllerRevision[] }>;
  /** Throws ABORTED when the app is not what it was when it was read. */
  edit(ref: AppRef, edited: EditedApp, signal: AbortSignal): Promise<Changed>;
  /** To the one before the present when `to` is 0. */
  /** `judge` is told of a revision that names what the app as it is does not, and throws when the caller may not have that. */
  rollBack(
    ref: AppRef,
    o: { readonly to: number; readonly dryRun: boolean; judge(concern: Concern): void },
    signal: AbortSignal,
  ): Promise<Changed & { revision: number }>;
}

/** A change is made on what was read, and so often anew when it was changed meanwhile. */
const attempts = 5;

export function createAppChanges({ kube, clock }: AppChangesDeps): AppChanges {
  const seen = createSeenChanges({ kube, kind: remoteApps, spec: RemoteAppSpecSchema, missing: noSuchApp });

  async function find(ref: AppRef, signal: AbortSignal): Promise<RemoteApp> {
    const found = await kube.get(remoteApps, ref, signal);
    if (!found) throw noSuchApp(ref);
    refuseLeaving(found);
    return found;
  }

  /** Writes what `decide` makes of the app; undefined leaves it as it is. */
  async function change(
    ref: AppRef,
    dryRun: boolean,
    signal: AbortSignal,
    decide: (app: RemoteApp) => JsonObject | undefined | Promise<JsonObject | undefined>,
  ): Promise<Changed> {
    for (let attempt = 1; ; attempt += 1) {
      const app = await find(ref, signal);
      const patch = await decide(app);
      if (patch === undefined) return { app, changed: false };
      const { uid = "", resourceVersion = "" } = app.metadata;
      const { metadata, ...rest } = { metadata: {}, ...patch };
      // On exactly what was read: a check that held for it must not be lost to a change that came in between.
      const whole = { ...rest, metadata: { ...metadata, uid, resourceVersion } };
      try {
        return { app: await kube.mergePatch(remoteApps, ref, whole, signal, { dryRun }), changed: true };
      } catch (error) {
        if (isNotFound(error)) throw noSuchApp(ref);
        if (!isConflict(error) || attempt === attempts) throw error;
      }
    }
  }

  async function revisionsOf(app: RemoteApp, signal: AbortSignal): Promise<ControllerRevision[]> {
    const { namespace, uid } = app.metadata;
    const { items } = await kube.list(controllerRevisions, { namespace, labelSelector: `${appLabel}=${uid}` }, signal);
    return items.sort((a, b) => b.revision - a.revision);
  }

  return {
    scale: (ref, { replicas, current, dryRun }, signal) =>
      change(ref, dryRun, signal, ({ spec }) => {
        refuseRunsToEnd(
          ref,
          spec,
          "it has no replicas; `job.parallelism` and `job.completions` say how many pods it has",
        );
        const now = spec.replicas ?? 1;
        if (current !== undefined && current !== now) {
          throw new ConnectError(`${ref.name} has ${now} replicas, not ${current}`, Code.FailedPrecondition);
        }
        return now === replicas ? undefined : { spec: { replicas } };
      }),

    restart: (ref, dryRun, signal) =>
      change(ref, dryRun, signal, ({ spec }) => {
        refuseRunsToEnd(ref, spec, "it cannot be restarted; delete it and deploy it again");
        refusePaused(ref, spec, "restarted");
        return { spec: { restartedAt: laterThan(spec.restartedAt, clock.now()) } };
      }),

    pause: (ref, paused, dryRun, signal) =>
      change(ref, dryRun, signal, ({ spec }) => {
        const kind = spec.kind ?? "Deployment";
        if (paused && kind !== "Deployment") {
          throw new ConnectError(
            `${ref.name} is a ${kind}, and only Deployments can be paused`,
            Code.FailedPrecondition,
          );
        }
        return (spec.paused ?? false) === paused ? undefined : { spec: { paused: paused ? true : null } };
      }),

    async revisions(ref, signal) {
      const app = await kube.get(remoteApps, ref, signal);
      if (!app) throw noSuchApp(ref);
      return { app, revisions: await revisionsOf(app, signal) };
    },

    async edit(ref, { uid, generation, ...draft }, signal) {
      const check = (app: RemoteApp): void => {
        refuseLeaving(app);
        if (draft.version !== "" || (app.metadata.uid === uid && app.metadata.generation === generation)) return;
        throw changedMeanwhile(`RemoteApp ${ref.name}`);
      };
      const { now, changed } = await seen.change(ref, { ...draft, check }, signal);
      return { app: now, changed };
    },

    async rollBack(ref, { to, dryRun, judge }, signal) {
      let revision = 0;
      const changed = await change(ref, dryRun, signal, async (app) => {
        refuseUnknown(app);
        refusePaused(ref, app.spec, "rolled back");
        const chosen = choose(ref, app, await revisionsOf(app, signal), to);
        revision = chosen.revision;
        const wanted = restored(ref, app.spec, chosen);
        if (namesMore(app, wanted)) judge("all");
        const spec = mergePatchOf(specJson(app.spec), specJson(wanted));
        if (Object.keys(spec).length === 0) return undefined;
        return { metadata: { annotations: { [causeAnnotation]: causeOf(chosen) || null } }, spec };
      });
      return { ...changed, revision };
    },
  };
}

/** NOT_FOUND, with where to look. */
export function noSuchApp({ namespace, name }: AppRef): ConnectError {
  return new ConnectError(`there is no RemoteApp ${namespace}/${name}; see: fairlead app list -A`, Code.NotFound);
}

function refuseLeaving({ metadata: { name, deletionTimestamp } }: RemoteApp): void {
  if (deletionTimestamp === undefined) return;
  throw new ConnectError(`${name} is being deleted, so nothing of it is changed any more`, Code.FailedPrecondition);
}

function refuseRunsToEnd({ name }: AppRef, { kind }: RemoteAppSpec, what: string): void {
  if (kind !== "Job" && kind !== "CronJob") return;
  throw new ConnectError(`${name} is a ${kind}: ${what}`, Code.FailedPrecondition);
}

function refusePaused({ namespace, name }: AppRef, { paused }: RemoteAppSpec, what: string): void {
  if (!paused) return;
  const message = `${name} is paused, so it cannot be ${what}; first: fairlead app resume ${name} -n ${namespace}`;
  throw new ConnectError(message, Code.FailedPrecondition);
}

/** A restart is news only when its time is another. */
function laterThan(before: string | undefined, now: number): string {
  const last = Date.parse(before ?? "");
  return timeText(Number.isNaN(last) || timeText(last) < timeText(now) ? now : last + 1_000);
}

function choose(ref: AppRef, app: RemoteApp, revisions: readonly ControllerRevision[], to: number): ControllerRevision {
  const present = presentOf(app, revisions);
  const chosen =
    to === 0 ? revisions.find((one) => one !== present) : revisions.find(({ revision }) => revision === to);
  if (chosen) return chosen;
  const known = revisions
    .map(({ revision }) => revision)
    .reverse()
    .join(", ");
  const message =
    to === 0
      ? `${ref.name} has had no other spec that is still known`
      : `${ref.name} has no revision ${to}; there ${revisions.length === 1 ? "is" : "are"}: ${known || "none"}`;
  throw new ConnectError(message, to === 0 ? Code.FailedPrecondition : Code.NotFound);
}

function restored({ name }: AppRef, present: RemoteAppSpec, { revision, data }: ControllerRevision): RemoteAppSpec {
  try {
    return rolledBack(present, data);
  } catch (error) {
    const message = `this agent does not understand revision ${revision} of ${name}: ${errorText(error)}`;
    throw new ConnectError(message, Code.FailedPrecondition, undefined, undefined, error);
  }
}
