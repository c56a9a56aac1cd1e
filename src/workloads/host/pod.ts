/** The pods of an app, as whatever makes them is told. Pure: what is equal gives equal templates. */
import { createHash } from "node:crypto";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../kube/object.ts";
import type { Workload } from "../../kube/resources.ts";
import { type PodSecurityLevel, securedContainer, securedPod } from "../../policy/pod-security.ts";
import { attachedNames } from "./attachments.ts";
import { type AppContainer, containersOf, present } from "./containers.ts";
import { annotations, labelsFor, nameOfBrought, selectorOf } from "./names.ts";
import type { Plan } from "./plan.ts";
import { type Rename, renameInContainer, renameInVolume } from "./references.ts";

/** A pod template; the hash of what it says is in its annotation `template`. */
export function templateFor(workload: Workload, plan: Plan): { metadata: JsonObject; spec: JsonObject } {
  const { app } = plan;
  const spec = podFor(workload, plan);
  const said = {
    ...app.podAnnotations,
    ...(app.restartedAt ? { [annotations.restartedAt]: app.restartedAt } : {}),
  };
  const own = { ...app.podLabels };
  const hash = hashOf(spec, own, said);
  return {
    metadata: {
      labels: { ...own, ...labelsFor(workload) },
      annotations: { ...said, [annotations.template]: hash },
    },
    spec,
  };
}

/** Which pods are made from the present plan: those with this value of the annotation `template`. */
export function templateOf(workload: Workload, plan: Plan): string {
  const { annotations: said } = templateFor(workload, plan).metadata;
  const hash = isJsonObject(said) ? said[annotations.template] : undefined;
  return typeof hash === "string" ? hash : "";
}

/** With nothing beside the pod it is the hash of that alone, as ever: an agent that is newer does not make all pods anew. */
function hashOf(pod: JsonObject, ...beside: readonly JsonObject[]): string {
  const isAlone = beside.every((each) => Object.keys(each).length === 0);
  const text = JSON.stringify(isAlone ? pod : [pod, ...beside]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function podFor(workload: Workload, { app, podSecurity, nodeSelector, images }: Plan): JsonObject {
  const attached = attachedNames(workload.metadata.name ?? "", app);
  const rename: Rename = (kind, name) => {
    const known = kind === "claim" ? undefined : attached[kind === "secret" ? "secrets" : "configMaps"].get(name);
    return known ?? nameOfBrought(workload, kind, name);
  };
  const containers = containersOf(app);
  const made = (isInit: boolean): JsonObject[] =>
    containers
      .filter((container) => container.isInit === isInit)
      .map(({ json, path }: AppContainer) => {
        return secured(pulledAs(renameInContainer(json, rename, path), images), podSecurity);
      });
  const initContainers = made(true);
  // Where the policy says which nodes, the app has no say.
  const nodes = { ...app.nodeSelector, ...nodeSelector };
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...(Object.keys(nodes).length > 0 ? { nodeSelector: nodes } : {}),
    securityContext: securedPod(app.podSecurityContext, podSecurity),
    containers: made(false),
    ...(initContainers.length > 0 ? { initContainers } : {}),
    ...chosen(workload, app, rename, images),
  };
}

/** By the name that the image has on a node, where the origin brings it along. */
function pulledAs(container: JsonObject, images: Plan["images"]): JsonObject {
  const name = typeof container.image === "string" ? images?.names.get(container.image) : undefined;
  return name === undefined ? container : { ...container, image: name };
}

/** What of a pod the app chooses and few do. */
function chosen(workload: Workload, app: RemoteAppSpec, rename: Rename, images: Plan["images"]): JsonObject {
  const { terminationGracePeriodSeconds, affinity, tolerations, topologySpreadConstraints, volumes, imagePullSecrets } =
    app;
  const list = (entries: readonly JsonObject[]): JsonValue | undefined =>
    entries.length > 0 ? [...entries] : undefined;
  const pullSecrets = imagePullSecrets.map(({ name = "" }, index) => {
    return { name: rename("secret", name, `imagePullSecrets[${index}].name`) };
  });
  return present({
    imagePullSecrets: list([...pullSecrets, ...(images ? [{ name: images.secretName }] : [])]),
    terminationGracePeriodSeconds,
    affinity,
    tolerations: list(tolerations),
    topologySpreadConstraints: list(topologySpreadConstraints.map((one) => overOwnPods(workload, one))),
    volumes: list(volumes.map((volume, index) => renameInVolume(volume, rename, `volumes[${index}]`))),
  });
}

/** Without a selector it would count no pods, and spread none. */
function overOwnPods(workload: Workload, constraint: JsonObject): JsonObject {
  return "labelSelector" in constraint
    ? constraint
    : { ...constraint, labelSelector: { matchLabels: selectorOf(workload) } };
}

/** With what the level asks of it where it says nothing itself, as admission has counted on. */
function secured(container: JsonObject, level: PodSecurityLevel): JsonObject {
  const { securityContext } = container;
  const context = securedContainer(isJsonObject(securityContext) ? securityContext : undefined, level);
  return context ? { ...container, securityContext: context } : container;
}
