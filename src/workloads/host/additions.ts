/**
 * What somebody added to the pods of an object beside the manifest, which an apply does not take away: an apply owns what it states and
 * leaves alone what others state. Pure.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../../kube/object.ts";
import { counterpart, placeOf, saysNothing } from "./list-items.ts";

/**
 * What API servers fill into a pod's template where it says nothing (`SetDefaults_PodSpec` and its like in Kubernetes'
 * pkg/apis/core/v1/defaults.go); test/contract/app-kinds.e2e.ts holds it against a real one. What is missing here costs a needless
 * replacement, which changes nothing.
 */
const defaults: Readonly<Record<string, readonly JsonValue[]>> = {
  restartPolicy: ["Always"],
  dnsPolicy: ["ClusterFirst"],
  schedulerName: ["default-scheduler"],
  terminationGracePeriodSeconds: [30],
  serviceAccount: ["default"],
  serviceAccountName: ["default"],
  imagePullPolicy: ["Always", "IfNotPresent"],
  terminationMessagePath: ["/dev/termination-log"],
  terminationMessagePolicy: ["File"],
  protocol: ["TCP"],
  scheme: ["HTTP"],
  timeoutSeconds: [1],
  periodSeconds: [10],
  successThreshold: [1],
  failureThreshold: [3],
  defaultMode: [0o644],
  apiVersion: ["v1"],
  divisor: ["0"],
};

/** The paths in the pod of all that is there and not in the manifest; empty when there is nothing. */
export function additions(manifest: object, found: object): string[] {
  return beyond(podOf(manifest), podOf(found), "");
}

function beyond(said: JsonObject, there: JsonObject, path: string): string[] {
  return Object.entries(there).flatMap(([name, value]) => {
    const [own, at] = [said[name], path ? `${path}.${name}` : name];
    if (own === undefined) return saysNothing(value) || defaults[name]?.includes(value) ? [] : [at];
    if (Array.isArray(own) && Array.isArray(value)) return beyondList(own, value, at);
    return isJsonObject(own) && isJsonObject(value) ? beyond(own, value, at) : [];
  });
}

function beyondList(said: readonly JsonValue[], there: readonly JsonValue[], path: string): string[] {
  return there.flatMap((item, index) => {
    const own = counterpart(item, index, said);
    const at = `${path}${placeOf(item, index)}`;
    if (own === undefined) return [at];
    return isJsonObject(own) && isJsonObject(item) ? beyond(own, item, at) : [];
  });
}

/** The pod that an object's template describes. */
function podOf(object: object): JsonObject {
  const json: JsonValue = JSON.parse(JSON.stringify(object));
  const at = (value: JsonValue | undefined, key: string): JsonObject => {
    const inner = isJsonObject(value) ? value[key] : undefined;
    return isJsonObject(inner) ? inner : {};
  };
  const spec = at(json, "spec");
  // A CronJob's is that of its Jobs.
  return at(at("jobTemplate" in spec ? at(at(spec, "jobTemplate"), "spec") : spec, "template"), "spec");
}
