/** An app whose pods have names and claims of their own. Pure. */
import type { AppClaim } from "../../gen/fairlead/resources/v1alpha1/app_config_pb.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Draft, JsonObject, JsonValue } from "../../kube/object.ts";
import { type Service, type StatefulSet, statefulSets, type Workload } from "../../kube/resources.ts";
import { claimSpec, isKept } from "./claims.ts";
import { present } from "./containers.ts";
import { metadataFor, ownerOf, servicePort } from "./manifests.ts";
import { labelsFor, lastingName, selectorOf } from "./names.ts";
import type { Plan } from "./plan.ts";
import { templateFor } from "./pod.ts";

/**
 * `found` is the one that is there, which can be edited into what is wanted. Its templates of claims cannot: they stay as they were
 * when it was made, and each claim is brought up to date by itself.
 */
export function statefulSetFor(workload: Workload, plan: Plan, found?: StatefulSet): Draft<StatefulSet> {
  const { app, replicas } = plan;
  const templates = found ? templatesIn(found) : app.claims.map((claim) => templateOf(workload, claim));
  const spec: JsonObject = {
    serviceName: lastingName(workload),
    podManagementPolicy: managementOf(app),
    ...(templates.length > 0 ? { volumeClaimTemplates: templates } : {}),
    replicas,
    revisionHistoryLimit: 2,
    ...present({ minReadySeconds: app.minReadySeconds, updateStrategy: app.updateStrategy }),
    selector: { matchLabels: selectorOf(workload) },
    template: templateFor(workload, plan),
  };
  return { ...statefulSets.parse({ spec }), metadata: metadataFor(workload, lastingName(workload)) };
}

/** Whether the one that is there can be edited into what the app wants; else it has to go first, with its pods and without its data. */
export function isEditable(found: StatefulSet, app: RemoteAppSpec): boolean {
  const names = (claims: readonly { name?: string | undefined }[]): string =>
    claims.map(({ name = "" }) => name).join();
  const present = (found.spec?.volumeClaimTemplates ?? []).map(({ metadata }) => ({ name: metadata?.name }));
  return names(present) === names(app.claims) && found.spec?.podManagementPolicy === managementOf(app);
}

function managementOf(app: RemoteAppSpec): string {
  return app.podManagementPolicy ?? "OrderedReady";
}

/** By which the pods find one another by name, before they are ready too: many can be so only together. */
export function headlessServiceFor(workload: Workload, plan: Plan): Draft<Service> {
  const ports = plan.app.ports.map(servicePort);
  return {
    metadata: metadataFor(workload, lastingName(workload)),
    spec: {
      clusterIP: "None",
      publishNotReadyAddresses: true,
      selector: selectorOf(workload),
      ...(ports.length > 0 ? { ports } : {}),
    },
  };
}

/** What is to go with the Workload belongs to it from the first moment on, even if this agent never sees it. */
function templateOf(workload: Workload, claim: AppClaim): JsonObject {
  const owners = isKept(claim) ? {} : { ownerReferences: [ownerOf(workload)] };
  return { metadata: { name: claim.name ?? "", labels: labelsFor(workload), ...owners }, spec: claimSpec(claim) };
}

/** Without what the API server has added of itself. */
function templatesIn({ spec }: StatefulSet): JsonValue[] {
  const templates = (spec?.volumeClaimTemplates ?? []).map(({ metadata = {}, spec: claim = {} }) => {
    const { name, labels, ownerReferences } = metadata;
    return { metadata: { name, labels, ownerReferences }, spec: claim };
  });
  return JSON.parse(JSON.stringify(templates));
}
