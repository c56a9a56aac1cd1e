/** What of a spec's lists and amounts cannot be as it is written. Pure. */
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Violation } from "../../intent/wish.ts";
import { isJsonObject, type JsonValue } from "../../kube/object.ts";
import { parseQuantity } from "../../policy/quantity.ts";
import { containersOf } from "./containers.ts";

/** Entries that cannot be told apart. */
export function twice(app: RemoteAppSpec): Violation[] {
  const seen = new Set<string>();
  const found: Violation[] = [];
  const check = (key: string, field: string, message: string): void => {
    if (seen.has(key)) found.push({ field, rule: "unique", message });
    seen.add(key);
  };
  app.ports.forEach((port, index) => {
    const transport = port.appProtocol === "udp" ? "UDP" : "TCP";
    check(
      `port ${port.containerPort}/${transport}`,
      `ports[${index}].containerPort`,
      `${port.containerPort}/${transport} is named twice`,
    );
    if (port.name) check(`name ${port.name}`, `ports[${index}].name`, `the name "${port.name}" is used twice`);
  });
  app.env.forEach((env, index) => {
    check(`env ${env.name}`, `env[${index}].name`, `the variable "${env.name}" is set twice`);
  });
  const named = { configMaps: app.configMaps, secrets: app.secrets, claims: app.claims, pull: app.imagePullSecrets };
  for (const [list, entries] of Object.entries(named)) {
    const field = list === "pull" ? "imagePullSecrets" : list;
    entries.forEach(({ name = "" }, index) => {
      check(`${list} ${name}`, `${field}[${index}].name`, `the name "${name}" is used twice`);
    });
  }
  return found;
}

/** Amounts of every container that are none, or more than their limit. */
export function quantities(app: RemoteAppSpec): Violation[] {
  return containersOf(app).flatMap(({ json, path }) => {
    const resources = isJsonObject(json.resources) ? json.resources : {};
    const field = path === "" ? "resources" : `${path}.resources`;
    return amounts(resources.requests, resources.limits, field);
  });
}

function amounts(requests: JsonValue | undefined, limits: JsonValue | undefined, field: string): Violation[] {
  const found: Violation[] = [];
  const most = new Map<string, bigint>();
  const read = (value: JsonValue | undefined, at: string): bigint | undefined => {
    const quantity = typeof value === "string" || typeof value === "number" ? parseQuantity(value) : undefined;
    if (quantity === undefined) {
      found.push({ field: at, rule: "quantity", message: "not a quantity such as 500m, 1 or 256Mi" });
    } else if (quantity < 0n) found.push({ field: at, rule: "quantity", message: "must not be negative" });
    return quantity;
  };
  for (const [name, value] of entriesOf(limits)) {
    const limit = read(value, `${field}.limits[${name}]`);
    if (limit !== undefined) most.set(name, limit);
  }
  for (const [name, value] of entriesOf(requests)) {
    const at = `${field}.requests[${name}]`;
    const request = read(value, at);
    const limit = most.get(name);
    if (request !== undefined && limit !== undefined && request > limit) {
      found.push({ field: at, rule: "quantity", message: "is more than the limit" });
    }
  }
  return found;
}

function entriesOf(value: JsonValue | undefined): [string, JsonValue][] {
  return isJsonObject(value) ? Object.entries(value) : [];
}
