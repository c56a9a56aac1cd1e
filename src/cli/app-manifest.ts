/** RemoteApps as a person writes them: YAML documents, or options of the command line. Pure. */

import { create, fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { type Document, DocumentError, parseDocuments } from "../base/document.ts";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { CliError, exitCode } from "./errors.ts";

/** What `app deploy` sends. */
export interface AppManifest {
  readonly ref: { readonly namespace: string; readonly name: string };
  readonly spec: RemoteAppSpec;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}

/** The options that stand for a manifest. */
export interface DeployOptions {
  readonly peer?: string;
  readonly image?: string;
  readonly replicas?: number;
  readonly port?: string[];
  readonly env?: string[];
  readonly request?: string[];
  readonly limit?: string[];
  readonly imagePullPolicy?: string;
  readonly command?: string[];
  readonly arg?: string[];
}

/** The RemoteApps in a YAML or JSON text of one or more documents. Throws a `CliError` with the place of the mistake. */
export function readManifests(text: string, from: string, defaultNamespace: string): AppManifest[] {
  const manifests = documents(text, from).map(({ value, at }) => readManifest(value, `${from}${at}`, defaultNamespace));
  if (manifests.length > 0) return manifests;
  throw usage(`${from} holds no RemoteApp`, "a document with apiVersion: fairlead.dev/v1alpha1 and kind: RemoteApp");
}

/** One RemoteApp from the command line. */
export function appFromOptions(name: string | undefined, namespace: string, options: DeployOptions): AppManifest {
  const example = "fairlead app deploy shop --peer berlin --image nginx:1.27 --port 80, or -f shop.yaml";
  if (name === undefined) throw usage("an app needs a name", example);
  if (options.peer === undefined) throw usage("an app needs --peer, which says where it runs", example);
  if (options.image === undefined) throw usage("an app needs --image, which says what runs", example);
  const resources = { requests: readQuantities(options.request), limits: readQuantities(options.limit) };
  const spec: JsonObject = {
    peer: options.peer,
    image: options.image,
    ...(options.replicas !== undefined && { replicas: options.replicas }),
    ...(options.port && { ports: options.port.map(readPort) }),
    ...(options.env && { env: options.env.map(readEnv) }),
    ...((options.request || options.limit) && { resources }),
    ...(options.imagePullPolicy && { imagePullPolicy: options.imagePullPolicy }),
    ...(options.command && { command: options.command }),
    ...(options.arg && { args: options.arg }),
  };
  return { ref: { namespace, name }, spec: readSpec(spec, "the command line"), labels: {}, annotations: {} };
}

function documents(text: string, from: string): { value: JsonValue; at: string }[] {
  const parsed = parse(text, from);
  return parsed.flatMap((document, index) => {
    const at = parsed.length > 1 ? ` (document ${index + 1}, line ${document.line})` : "";
    // Through JSON, so that what only YAML can say (dates, infinities) arrives as JSON has it.
    const value: JsonValue = JSON.parse(JSON.stringify(document.value));
    if (!isObject(value) || value.kind !== "List" || !Array.isArray(value.items)) return [{ value, at }];
    return value.items.map((item, number) => ({ value: item, at: `${at} (item ${number + 1})` }));
  });
}

function parse(text: string, from: string): Document[] {
  try {
    return parseDocuments(text, from);
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    throw new CliError(error.message, { code: exitCode.usage, cause: error });
  }
}

function readManifest(value: JsonValue, where: string, defaultNamespace: string): AppManifest {
  if (!isObject(value)) throw usage(`${where} is not an object`);
  if (value.apiVersion !== "fairlead.dev/v1alpha1" || value.kind !== "RemoteApp") {
    const kind = `${String(value.apiVersion ?? "?")} ${String(value.kind ?? "?")}`;
    throw usage(`${where} is a ${kind}, not a fairlead.dev/v1alpha1 RemoteApp`, "`kubectl apply -f` takes other kinds");
  }
  // `status` and what the API server adds to the metadata may stand there, so that what `get -o yaml` prints can be used.
  const unknown = Object.keys(value).find((key) => !["apiVersion", "kind", "metadata", "spec", "status"].includes(key));
  if (unknown) throw usage(`${where}: unknown field ${unknown}`);
  const metadata = isObject(value.metadata) ? value.metadata : {};
  if (typeof metadata.name !== "string" || metadata.name === "") throw usage(`${where}: metadata.name is missing`);
  const namespace = typeof metadata.namespace === "string" ? metadata.namespace : defaultNamespace;
  return {
    ref: { namespace, name: metadata.name },
    spec: readSpec(value.spec ?? {}, where),
    labels: readStrings(metadata.labels, `${where}: metadata.labels`),
    annotations: readStrings(metadata.annotations, `${where}: metadata.annotations`),
  };
}

function readSpec(spec: JsonValue, where: string): RemoteAppSpec {
  try {
    return fromJson(RemoteAppSpecSchema, spec);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const known = create(RemoteAppSpecSchema).$typeName;
    throw new CliError(`${where}: spec: ${reason.replaceAll(known, "RemoteApp.spec")}`, {
      code: exitCode.usage,
      hint: "kubectl explain remoteapp.spec",
      cause: error,
    });
  }
}

function readStrings(value: JsonValue | undefined, where: string): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw usage(`${where} is not a map`);
  const strings: Record<string, string> = {};
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw usage(`${where}.${key} is not a string; put it in quotes`);
    strings[key] = text;
  }
  return strings;
}

function readPort(text: string): JsonObject {
  const match = /^(?:(?<name>[a-z0-9-]+):)?(?<port>\d{1,5})(?:\/(?<protocol>[a-z0-9]+))?$/.exec(text);
  if (!match?.groups) throw usage(`--port ${text} is no port`, "8080, 8080/http or web:8080/http");
  const { name, port, protocol } = match.groups;
  return { ...(name && { name }), containerPort: Number(port), ...(protocol && { appProtocol: protocol }) };
}

function readEnv(text: string): JsonObject {
  const at = text.indexOf("=");
  if (at < 1) throw usage(`--env ${text.slice(0, 20)} is not NAME=VALUE`);
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}

function readQuantities(words: readonly string[] | undefined): JsonObject {
  const quantities: JsonObject = {};
  for (const word of words ?? []) {
    const at = word.indexOf("=");
    if (at < 1) throw usage(`${word} is not NAME=QUANTITY`, "cpu=100m,memory=64Mi");
    quantities[word.slice(0, at)] = word.slice(at + 1);
  }
  return quantities;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function usage(message: string, hint?: string): CliError {
  return new CliError(message, { code: exitCode.usage, hint });
}
