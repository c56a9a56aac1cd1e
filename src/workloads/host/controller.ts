/** The one object by which Kubernetes runs an app's pods, of whichever kind. */
import type { ResourceKind } from "../../kube/resource-kind.ts";
import {
  type CronJob,
  cronJobs,
  type Deployment,
  deployments,
  type Job,
  jobs,
  type StatefulSet,
  statefulSets,
  type Workload,
} from "../../kube/resources.ts";
import { runOf } from "./job.ts";
import { type Kind, kindOf } from "./kind.ts";
import { annotations, lastingName } from "./names.ts";
import type { Room } from "./room.ts";
import type { Controller } from "./serving.ts";

/** As it is known to be; undefined while there is none. It asks the room to know of objects of the app's kind from now on. */
export function controllerOf(workload: Workload, room: Room): Controller | undefined {
  const { namespace = "", name = "" } = workload.metadata;
  switch (kindIn(workload)) {
    case "StatefulSet": {
      const object = room.statefulSets.get(`${namespace}/${lastingName(workload)}`);
      return object && isOf(workload, object) ? { kind: "StatefulSet", object } : undefined;
    }
    case "Job": {
      const { app, running = app } = workload.spec;
      const run = running && runOf(running);
      const object = room.jobsOf(name).find(({ metadata }) => metadata.annotations?.[annotations.run] === run);
      return object && { kind: "Job", object };
    }
    case "CronJob": {
      const object = room.cronJobs.get(`${namespace}/${name}`);
      return object && { kind: "CronJob", object };
    }
    default: {
      const object = room.deployments.get(`${namespace}/${name}`);
      return object && { kind: "Deployment", object };
    }
  }
}

/** All Jobs of an app that has any: its own of each run, or its CronJob's. */
export function jobsOf(workload: Workload, room: Room): readonly Job[] {
  const kind = kindIn(workload);
  return kind === "Job" || kind === "CronJob" ? room.jobsOf(workload.metadata.name ?? "") : [];
}

/** The hash of the template that its pods are made from: what is wanted, but for a Job, of which nobody can edit it. */
export function templateIn(controller: Controller | undefined, wanted: string): string {
  if (controller?.kind !== "Job") return wanted;
  return controller.object.spec?.template.metadata?.annotations?.[annotations.template] ?? wanted;
}

export function resourceOf({ kind }: Controller): ResourceKind<Deployment | StatefulSet | Job | CronJob> {
  return { Deployment: deployments, StatefulSet: statefulSets, Job: jobs, CronJob: cronJobs }[kind];
}

/** It cannot change: what is asked for is of the same kind as what runs. */
function kindIn({ spec: { app, running = app } }: Workload): Kind {
  return running ? kindOf(running) : "Deployment";
}

/** Whether it goes when the Workload goes. */
export function isOf(workload: Workload, object: Controller["object"]): boolean {
  return object.metadata.ownerReferences?.some(({ uid }) => uid === workload.metadata.uid) ?? false;
}
