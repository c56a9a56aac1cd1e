/** What a container finds in its environment: values, ConfigMaps, Secrets, and what the pod says of itself. Pure. */
import type { Container, EnvVar, Pod } from "../controllers/shapes.ts";
import { at, isObject } from "../json.ts";
import type { KubeObject } from "../object.ts";
import { parseQuantity } from "./quantity.ts";
import type { Capacity } from "./scheduling.ts";

/** Finds a ConfigMap or Secret of the pod's namespace. */
export type Lookup = (kind: "configmaps" | "secrets", name: string) => KubeObject | undefined;

export interface EnvironmentInput {
  pod: Pod;
  container: Container;
  lookup: Lookup;
  capacity: Capacity;
}

export type Environment = { env: Record<string, string> } | { error: string };

/** The variables, or what is missing for them in a kubelet's words. */
export function environmentOf(input: EnvironmentInput): Environment {
  const { pod, container } = input;
  const { name, namespace = "" } = pod.metadata;
  const env: Record<string, string> = {
    PATH: "/bin",
    HOSTNAME: pod.spec.hostname ?? name,
    POD_NAME: name,
    POD_NAMESPACE: namespace,
  };
  for (const { prefix = "", configMapRef, secretRef } of container.envFrom ?? []) {
    for (const [kind, ref] of [["configmaps", configMapRef] as const, ["secrets", secretRef] as const]) {
      if (!ref) continue;
      const found = input.lookup(kind, ref.name ?? "");
      if (!found && !ref.optional) return { error: `${singular[kind]} "${ref.name}" not found` };
      for (const [key, value] of Object.entries(textsOf(found))) env[prefix + key] = value;
    }
  }
  for (const variable of container.env ?? []) {
    const value = variableOf(variable, input, env);
    if (value !== undefined && "error" in value) return value;
    if (value !== undefined) env[variable.name] = value.text;
  }
  return { env };
}

const singular = { configmaps: "configmap", secrets: "secret" } as const;
const proper = { configmaps: "ConfigMap", secrets: "Secret" } as const;

/** The keys of a ConfigMap or Secret with their text. */
function textsOf(object: KubeObject | undefined): Record<string, string> {
  const files = bytesOf(object);
  return Object.fromEntries(Object.entries(files).map(([key, bytes]) => [key, bytes.toString("utf8")]));
}

/** The keys of a ConfigMap or Secret with their bytes. */
export function bytesOf(object: KubeObject | undefined): Record<string, Buffer> {
  const decode = (values: unknown, encoding: "utf8" | "base64"): [string, Buffer][] =>
    Object.entries(isObject(values) ? values : {}).map(([key, value]) => [key, Buffer.from(String(value), encoding)]);
  const data = decode(object?.data, object?.kind === "Secret" ? "base64" : "utf8");
  return Object.fromEntries([...data, ...decode(object?.binaryData, "base64")]);
}

function variableOf(
  { value, valueFrom }: EnvVar,
  input: EnvironmentInput,
  env: Readonly<Record<string, string>>,
): { text: string } | { error: string } | undefined {
  if (!valueFrom) return { text: expand(value ?? "", env) };
  const { pod, lookup } = input;
  for (const [kind, ref] of [
    ["configmaps", valueFrom.configMapKeyRef] as const,
    ["secrets", valueFrom.secretKeyRef] as const,
  ]) {
    if (!ref) continue;
    const found = lookup(kind, ref.name ?? "");
    const text = textsOf(found)[ref.key];
    if (text !== undefined) return { text };
    if (ref.optional) return undefined;
    if (!found) return { error: `${singular[kind]} "${ref.name}" not found` };
    return { error: `couldn't find key ${ref.key} in ${proper[kind]} ${pod.metadata.namespace}/${ref.name}` };
  }
  if (valueFrom.fieldRef) return { text: fieldOf(pod, valueFrom.fieldRef.fieldPath) };
  if (valueFrom.resourceFieldRef) return { text: resourceOf(input, valueFrom.resourceFieldRef) };
  return { text: "" };
}

/** What the downward API says under a path such as `metadata.labels['app']`. */
export function fieldOf(pod: Pod, path: string): string {
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (keyed?.[1] && keyed[2]) return String(at(pod, "metadata", keyed[1], keyed[2]) ?? "");
  switch (path) {
    case "spec.serviceAccountName":
      return pod.spec.serviceAccountName ?? "default";
    case "status.podIP":
    case "status.podIPs":
    case "status.hostIP":
    case "status.hostIPs":
      return "127.0.0.1";
    case "metadata.labels":
    case "metadata.annotations": {
      const pairs = at(pod, ...path.split("."));
      const lines = Object.entries(isObject(pairs) ? pairs : {}).map(([key, text]) => `${key}=${JSON.stringify(text)}`);
      return lines.sort().join("\n");
    }
    default:
      return String(at(pod, ...path.split(".")) ?? "");
  }
}

/** What a container may take, in whole units of the divisor; without a limit what the node has. */
export function resourceOf(
  { pod, container, capacity }: Pick<EnvironmentInput, "pod" | "container" | "capacity">,
  ref: { resource: string; containerName?: string; divisor?: string | number },
): string {
  const named = ref.containerName
    ? [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find(({ name }) => name === ref.containerName)
    : container;
  const [list = "", unit = ""] = ref.resource.split(".");
  const resources = named?.resources;
  const asked =
    list === "limits" ? resources?.limits?.[unit] : (resources?.requests?.[unit] ?? resources?.limits?.[unit]);
  const whole = list !== "limits" ? 0 : unit === "cpu" ? capacity.cpu : unit === "memory" ? capacity.memory : 0;
  const divisor = parseQuantity(ref.divisor ?? 1) || 1;
  return String(Math.ceil((asked === undefined ? whole : parseQuantity(asked)) / divisor));
}

/** Replaces `$(NAME)` by what is known; `$$(NAME)` stands for itself. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^)]+)\)/g, (whole, name: string | undefined) =>
    name === undefined ? "$" : (env[name] ?? whole),
  );
}
