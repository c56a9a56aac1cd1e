/** The one object by which Kubernetes runs an app's pods, of whichever kind. */
import type { ResourceKind } from "../../kube/resource-kind.ts";
import { type Deployment, deployments, type StatefulSet, statefulSets, type Workload } from "../../kube/resources.ts";
import { type Kind, kindOf } from "./kind.ts";
import { lastingName } from "./names.ts";
import type { Room } from "./room.ts";

export type Controller =
  | { readonly kind: "Deployment"; readonly object: Deployment }
  | { readonly kind: "StatefulSet"; readonly object: StatefulSet };

/** As it is known to be; undefined while there is none. It asks the room to know of objects of the app's kind from now on. */
export function controllerOf(workload: Workload, room: Room): Controller | undefined {
  const { namespace = "", name = "" } = workload.metadata;
  switch (kindIn(workload)) {
    case "StatefulSet": {
      const object = room.statefulSets.get(`${namespace}/${lastingName(workload)}`);
      return object && isOf(workload, object) ? { kind: "StatefulSet", object } : undefined;
    }
    default: {
      const object = room.deployments.get(`${namespace}/${name}`);
      return object && { kind: "Deployment", object };
    }
  }
}

export function resourceOf({ kind }: Controller): ResourceKind<Deployment | StatefulSet> {
  return kind === "StatefulSet" ? statefulSets : deployments;
}

/** It cannot change: what is asked for is of the same kind as what runs. */
function kindIn({ spec: { app, running = app } }: Workload): Kind {
  return running ? kindOf(running) : "Deployment";
}

/** Whether it goes when the Workload goes. */
export function isOf(workload: Workload, object: Controller["object"]): boolean {
  return object.metadata.ownerReferences?.some(({ uid }) => uid === workload.metadata.uid) ?? false;
}
