/** An app's door as its resource has it, for the doors. Pure. */
import type { AppDoor } from "../../gen/fairlead/resources/v1alpha1/app_door_pb.ts";
import type { ConfigMap, Secret } from "../../kube/resources.ts";
import { readQuantity } from "../../policy/quantity.ts";
import type { Found, SharedName } from "../../workloads/origin/shared-content.ts";
import { troubleWith } from "../../workloads/origin/shared-content.ts";
import type { DoorContent, DoorRules } from "./app-view.ts";

const kinds = ["Token", "Public", "Basic"] as const;

/** What is not understood lets nobody in but who is signed in here. */
export function readDoor(door: AppDoor | undefined): DoorRules | undefined {
  if (!door) return undefined;
  const { tls } = door;
  const bytes = readQuantity(door.bytesPerSecond);
  const ca = tls?.caSecret === undefined ? tls?.caConfigMap : tls.caSecret;
  const kind = tls?.caSecret === undefined ? "ConfigMap" : "Secret";
  return {
    access: kinds.find((access) => access === door.access) ?? "Users",
    basicAuthSecret: door.basicAuthSecret,
    requestsPerSecond: door.requestsPerSecond,
    bytesPerSecond: bytes === undefined ? undefined : Math.max(1, Number(bytes / 1_000_000_000n)),
    tls: tls && {
      serverName: tls.serverName,
      ca: ca === undefined ? undefined : ({ kind, name: ca } as const),
      insecure: tls.insecure ?? false,
    },
  };
}

/** What of a Secret or ConfigMap a door may use. Nothing in the agent's own namespace, which holds its key. */
export function readDoorContent(name: SharedName, found: Found, agentNamespace: string): DoorContent {
  if (name.namespace === agentNamespace) {
    const message = "Apps in the agent's own namespace refer to nothing there; move the app to another.";
    return { ok: false, message };
  }
  const trouble = troubleWith(name, found);
  if (trouble) return { ok: false, message: trouble.message };
  if (found.is !== "there") return { ok: false, message: `The ${name.kind} ${name.name} has not been read yet.` };
  return { ok: true, texts: () => textsOf(name.kind, found.object) };
}

function textsOf(kind: SharedName["kind"], { data = {} }: Secret | ConfigMap): Readonly<Record<string, string>> {
  if (kind === "ConfigMap") return data;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString()]));
}
