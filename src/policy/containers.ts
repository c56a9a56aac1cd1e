/** The containers of an app's pods, all in one shape, whether they stand at the top of the spec or in a list of it. Pure. */
import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { ResourceRequirementsSchema } from "../gen/fairlead/resources/v1alpha1/container_pb.ts";
import type { RemoteAppSpec } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { isJsonObject, type JsonObject } from "../kube/object.ts";
import { partAt, textAt } from "./fragment.ts";

/**
 * When it runs: with the others of its pod; before them and to its end; or beside them from before, which Kubernetes calls a
 * sidecar.
 */
export type Turn = "together" | "before" | "beside";

export interface AppContainer {
  /** Where it stands in the spec, with a dot behind it, such as `containers[0].`; empty for the app's own, at the top. */
  readonly path: string;
  readonly turn: Turn;
  readonly image: string;
  /** As they are written. */
  readonly requests: JsonObject;
  readonly limits: JsonObject;
  /** The fields of a Kubernetes Container, but for the app's own only those that a fragment holds. */
  readonly fields: JsonObject;
}

/** In the order in which Kubernetes starts them: those of the init containers as they stand, then the others, the app's own first. */
export function containersOf(app: RemoteAppSpec): readonly AppContainer[] {
  return [
    ...app.initContainers.map((fields, at) =>
      container(fields, `initContainers[${at}].`, textAt(fields, "restartPolicy") === "Always" ? "beside" : "before"),
    ),
    own(app),
    ...app.containers.map((fields, at) => container(fields, `containers[${at}].`, "together")),
  ];
}

function container(fields: JsonObject, path: string, turn: Turn): AppContainer {
  return { path, turn, image: textAt(fields, "image") ?? "", ...amountsOf(partAt(fields, "resources")), fields };
}

function own(app: RemoteAppSpec): AppContainer {
  const { securityContext, startupProbe, readinessProbe, livenessProbe, lifecycle, volumeMounts } = app;
  const resources: JsonValue = app.resources ? toJson(ResourceRequirementsSchema, app.resources) : {};
  return {
    path: "",
    turn: "together",
    image: app.image ?? "",
    ...amountsOf(isJsonObject(resources) ? resources : {}),
    fields: {
      ...(securityContext ? { securityContext } : {}),
      ...(startupProbe ? { startupProbe } : {}),
      ...(readinessProbe ? { readinessProbe } : {}),
      ...(livenessProbe ? { livenessProbe } : {}),
      ...(lifecycle ? { lifecycle } : {}),
      volumeMounts,
    },
  };
}

function amountsOf(resources: JsonObject | undefined): { requests: JsonObject; limits: JsonObject } {
  return { requests: partAt(resources, "requests") ?? {}, limits: partAt(resources, "limits") ?? {} };
}
