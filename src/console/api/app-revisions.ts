/** An app's history as the API shows it. Pure. */
import { create, fromJson } from "@bufbuild/protobuf";
import { type AppRevision, AppRevisionSchema } from "../../gen/fairlead/console/v1/app_service_pb.ts";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { JsonObject } from "../../kube/object.ts";
import type { ControllerRevision, RemoteApp } from "../../kube/resources.ts";
import { causeOf, presentOf } from "../../workloads/origin/revision.ts";

export function toRevisions(app: RemoteApp, revisions: readonly ControllerRevision[]): AppRevision[] {
  const present = presentOf(app, revisions);
  return revisions.map((one) => {
    const spec = readSpec(one.data);
    return create(AppRevisionSchema, {
      number: BigInt(one.revision),
      createdAt: one.metadata.creationTimestamp ?? "",
      cause: causeOf(one),
      present: one === present,
      ...(spec && { spec }),
    });
  });
}

/** Somebody may have written anything there, and a newer agent what this one does not know. */
function readSpec({ spec }: JsonObject): RemoteAppSpec | undefined {
  try {
    return spec === undefined ? undefined : fromJson(RemoteAppSpecSchema, spec);
  } catch {
    return undefined;
  }
}
