/** What an app refers to in its own namespace, and whether that may be sent. Pure. */
import { SecretContent } from "../../base/secret-content.ts";
import { type Attachment, attachedBytes, intentLimits } from "../../intent/wish.ts";
import type { ConfigMap, RemoteApp, Secret } from "../../kube/resources.ts";
import { isInline, isShareableType } from "../brought.ts";

/** The opt-in of whoever owns a Secret or a ConfigMap: without it nothing of it goes to any peer. */
export const sharedLabel = "fairlead.dev/shared";

/** One object that an app refers to. */
export interface SharedName {
  readonly kind: "ConfigMap" | "Secret";
  readonly namespace: string;
  readonly name: string;
}

/** Why an app cannot be sent as it is. */
export interface Trouble {
  /** One word in CamelCase. */
  readonly reason: string;
  /** What is wrong and what to do, for people. */
  readonly message: string;
}

/** What is known of one object that is referred to. */
export type Found =
  | { readonly is: "unknown" }
  /** There is none with the label. */
  | { readonly is: "missing" }
  /** This agent may not look. */
  | { readonly is: "forbidden"; readonly message: string }
  | { readonly is: "there"; readonly object: Secret | ConfigMap };

/** What the spec names and does not contain. */
export function namesIn({ metadata: { namespace = "" }, spec }: Pick<RemoteApp, "metadata" | "spec">): SharedName[] {
  const secrets = spec.secrets.map(({ name = "" }) => ({ kind: "Secret", namespace, name }) as const);
  const configMaps = spec.configMaps
    .filter((one) => !isInline(one))
    .map(({ name = "" }) => ({ kind: "ConfigMap", namespace, name }) as const);
  return [...configMaps, ...secrets];
}

/** What the app's door here refers to, of which nothing goes to the host. */
export function doorNamesIn({
  metadata: { namespace = "" },
  spec,
}: Pick<RemoteApp, "metadata" | "spec">): SharedName[] {
  const { basicAuthSecret, tls } = spec.door ?? {};
  const secrets = [basicAuthSecret, tls?.caSecret].filter((name) => name !== undefined);
  const configMaps = [tls?.caConfigMap].filter((name) => name !== undefined);
  return [
    ...secrets.map((name) => ({ kind: "Secret", namespace, name }) as const),
    ...configMaps.map((name) => ({ kind: "ConfigMap", namespace, name }) as const),
  ];
}

/** What goes with the wish; a trouble when something cannot; undefined while something is not known yet. */
export function attach(
  app: Pick<RemoteApp, "metadata" | "spec">,
  o: { find(name: SharedName): Found; agentNamespace: string },
): readonly Attachment[] | Trouble | undefined {
  const hashed = [...app.spec.secrets, ...app.spec.configMaps].find(({ hash }) => hash !== undefined);
  if (hashed) {
    const message = `Leave out the hash of ${hashed.name}: hosts write it, of what comes with the app.`;
    return { reason: "Invalid", message };
  }
  const names = namesIn(app);
  if (names.length > 0 && app.metadata.namespace === o.agentNamespace) return agentsOwn(o.agentNamespace);
  const twice = names.find(
    (name, index) => names.findIndex((other) => other.kind === name.kind && other.name === name.name) !== index,
  );
  if (twice) return { reason: "Invalid", message: `The app names the ${twice.kind} ${twice.name} twice.` };
  const attachments: Attachment[] = [];
  let isKnown = true;
  for (const name of names) {
    const found = o.find(name);
    const trouble = troubleWith(name, found);
    if (trouble) return trouble;
    if (found.is === "there") attachments.push(attachmentOf(name, found.object));
    else isKnown = false;
  }
  if (!isKnown) return undefined;
  return tooMuch(attachments) ?? attachments;
}

/** Why what is referred to cannot be used; undefined when it is there, or not known yet. */
export function troubleWith(name: SharedName, found: Found): Trouble | undefined {
  if (found.is === "missing") return missing(name);
  if (found.is === "forbidden") return forbidden(name, found.message);
  if (found.is !== "there") return undefined;
  const { object } = found;
  const type = "type" in object ? (object.type ?? "Opaque") : "Opaque";
  if (!isShareableType(type)) {
    const message = `The Secret ${name.name} is of the type ${type}, which is this cluster's own affair and goes to no peer; put what the app needs into one of the type Opaque.`;
    return { reason: "SecretType", message };
  }
  if (Object.hasOwn(object.data ?? {}, "__proto__")) {
    return {
      reason: "Invalid",
      message: `The ${name.kind} ${name.name} has a key "__proto__", which is not sent; rename it.`,
    };
  }
  return undefined;
}

function missing({ kind, namespace, name }: SharedName): Trouble {
  const message =
    `There is no ${kind} ${name} with the label ${sharedLabel}: "true" in ${namespace}. If there is one without it and it may go to the peer: ` +
    `kubectl -n ${namespace} label ${kind.toLowerCase()} ${name} ${sharedLabel}=true`;
  return { reason: `${kind}NotShared`, message };
}

function forbidden({ kind, namespace, name }: SharedName, said: string): Trouble {
  const plural = `${kind.toLowerCase()}s`;
  const message =
    `This agent may not read the ${kind} ${name} in ${namespace}; it needs list and watch of ${plural} there, of this name or of all. Who may edit Roles in ` +
    `${namespace} grants it (docs/rbac.md): kubectl -n ${namespace} create role fairlead-shared-${name} --verb=list,watch --resource=${plural} ` +
    `--resource-name=${name}, and a RoleBinding of it to the agent; or the chart does, by shared.namespaces. The API server says: ${said}`;
  return { reason: "NotPermitted", message };
}

function agentsOwn(namespace: string): Trouble {
  const message = `Nothing of ${namespace} goes to a peer, since this agent's own Secrets are there; put the app and what it brings along into another namespace.`;
  return { reason: "AgentNamespace", message };
}

function tooMuch(attachments: readonly Attachment[]): Trouble | undefined {
  const bytes = attachedBytes({ attachments });
  const keys = attachments.reduce((sum, { content }) => sum + content.keys().length, 0);
  const most = { bytes: intentLimits.attachmentBytes, keys: intentLimits.attachmentKeys };
  if (bytes <= most.bytes && keys <= most.keys) return undefined;
  const message =
    `The app's Secrets and ConfigMaps have ${bytes} bytes and ${keys} keys together, and ${most.bytes} bytes and ${most.keys} keys are the most that go with an app; ` +
    "make them smaller, or put what is large into the image.";
  return { reason: "TooLarge", message };
}

function attachmentOf({ kind, name }: SharedName, object: Secret | ConfigMap): Attachment {
  const data = Object.fromEntries(
    Object.entries(object.data ?? {}).map(([key, value]) => [
      key,
      Buffer.from(value, kind === "Secret" ? "base64" : "utf8"),
    ]),
  );
  const binary = "binaryData" in object ? (object.binaryData ?? {}) : {};
  for (const [key, value] of Object.entries(binary)) data[key] = Buffer.from(value, "base64");
  const type = kind === "Secret" && "type" in object ? (object.type ?? "Opaque") : "";
  return { kind, name, type: kind === "Secret" ? type || "Opaque" : "", content: new SecretContent(data) };
}
