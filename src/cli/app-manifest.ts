/** RemoteApps as a person writes them: YAML documents, or options of the command line. Pure. */
import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { type Document, DocumentError, parseDocuments } from "../base/document.ts";
import { errorText } from "../base/error-text.ts";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { CliError, exitCode } from "./errors.ts";
import { findMistakes, isMap, type Path, pathText } from "./spec-mistakes.ts";

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
  readonly placementSelector?: string[];
  readonly placementFact?: string[];
  readonly count?: number;
  readonly spread?: string;
  readonly move?: string;
}

/** Whether the options say which peers may run it, instead of naming one. */
export function isPlaced({ placementSelector, placementFact, count, spread, move }: DeployOptions): boolean {
  return [placementSelector, placementFact, count, spread, move].some((option) => option !== undefined);
}

/** The RemoteApps in a YAML or JSON text of one or more documents. Throws a `CliError` with the place of the mistake. */
export function readManifests(text: string, from: string, defaultNamespace: string): AppManifest[] {
  const manifests = documents(text, from).map((source) => readManifest(source, defaultNamespace));
  if (manifests.length > 0) return manifests;
  throw usage(`${from} holds no RemoteApp`, "a document with apiVersion: fairlead.dev/v1alpha1 and kind: RemoteApp");
}

/** One RemoteApp from the command line. */
export function appFromOptions(name: string | undefined, namespace: string, options: DeployOptions): AppManifest {
  const example = "fairlead app deploy shop --peer berlin --image nginx:1.27 --port 80, or -f shop.yaml";
  if (name === undefined) throw usage("an app needs a name", example);
  if (options.peer === undefined && !isPlaced(options)) {
    throw usage("an app needs --peer, which says where it runs, or --placement-selector or --count", example);
  }
  if (options.peer !== undefined && isPlaced(options)) {
    throw usage(
      "--peer names the peer, and the options of placement have one chosen; give the one or the other",
      example,
    );
  }
  if (options.image === undefined) throw usage("an app needs --image, which says what runs", example);
  const resources = { requests: readQuantities(options.request), limits: readQuantities(options.limit) };
  const spec: JsonObject = {
    ...(options.peer === undefined ? { placement: readPlacement(options) } : { peer: options.peer }),
    image: options.image,
    ...(options.replicas !== undefined && { replicas: options.replicas }),
    ...(options.port && { ports: options.port.map(readPort) }),
    ...(options.env && { env: options.env.map(readEnv) }),
    ...((options.request || options.limit) && { resources }),
    ...(options.imagePullPolicy && { imagePullPolicy: options.imagePullPolicy }),
    ...(options.command && { command: options.command }),
    ...(options.arg && { args: options.arg }),
  };
  return {
    ref: { namespace, name },
    spec: readSpec(spec, () => "the command line"),
    labels: {},
    annotations: {},
  };
}

/** Names a place in what was read, as in "shop.yaml, line 7, column 3: spec.imagee". */
type Where = (path: Path) => string;

interface Source {
  readonly value: JsonValue;
  readonly where: Where;
}

function documents(text: string, from: string): Source[] {
  return parse(text, from).flatMap((document) => {
    // Through JSON, so that what only YAML can say (dates, infinities) arrives as JSON has it.
    const value: JsonValue = JSON.parse(JSON.stringify(document.value));
    const where =
      (base: Path): Where =>
      (path) => {
        const at = `${from}, ${document.locate([...base, ...path])}`;
        return path.length === 0 ? at : `${at}: ${pathText(path)}`;
      };
    if (!isMap(value) || value.kind !== "List" || !Array.isArray(value.items)) return [{ value, where: where([]) }];
    return value.items.map((item, index) => ({ value: item, where: where(["items", index]) }));
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

function readManifest({ value, where }: Source, defaultNamespace: string): AppManifest {
  if (!isMap(value)) throw usage(`${where([])}: this is no RemoteApp`, "kubectl explain remoteapp");
  const { apiVersion, kind, metadata = {}, spec = {} } = value;
  if (apiVersion !== "fairlead.dev/v1alpha1" || kind !== "RemoteApp") {
    const is = [apiVersion, kind].filter((part) => typeof part === "string").join(" ") || "of no kind";
    throw usage(
      `${where([])}: this is ${is}, not fairlead.dev/v1alpha1 RemoteApp`,
      "kubectl apply -f, for other kinds",
    );
  }
  // `status` and what the API server adds to the metadata may stand there, so that what `get -o yaml` prints can be used.
  const unknown = Object.keys(value).find((key) => !["apiVersion", "kind", "metadata", "spec", "status"].includes(key));
  if (unknown) throw usage(`${where([unknown])}: there is no such field`);
  if (!isMap(metadata)) throw usage(`${where(["metadata"])}: must be a map`);
  const name = readString(metadata, "name", where);
  if (!name) throw usage(`${where(["metadata", "name"])}: an app needs a name`);
  return {
    ref: { namespace: readString(metadata, "namespace", where) || defaultNamespace, name },
    spec: readSpec(spec, where),
    labels: readStrings(metadata, "labels", where),
    annotations: readStrings(metadata, "annotations", where),
  };
}

function readSpec(spec: JsonValue, where: Where): RemoteAppSpec {
  const hint = "kubectl explain remoteapp.spec";
  const mistakes = findMistakes(RemoteAppSpecSchema, spec, ["spec"]);
  if (mistakes.length > 0) throw usage(mistakes.map(({ path, says }) => `${where(path)}: ${says}`).join("\n"), hint);
  try {
    return fromJson(RemoteAppSpecSchema, spec);
  } catch (error) {
    const reason = errorText(error);
    throw new CliError(`${where(["spec"])}: ${reason}`, { code: exitCode.usage, hint, cause: error });
  }
}

function readString(metadata: JsonObject, field: string, where: Where): string {
  const text = metadata[field] ?? "";
  if (typeof text === "string") return text;
  throw usage(`${where(["metadata", field])}: must be a text; put it in quotes`);
}

function readStrings(metadata: JsonObject, field: string, where: Where): Record<string, string> {
  const value = metadata[field] ?? {};
  if (!isMap(value)) throw usage(`${where(["metadata", field])}: must be a map`);
  const strings: Record<string, string> = {};
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw usage(`${where(["metadata", field, key])}: must be a text; put it in quotes`);
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

function readPlacement({ placementSelector, placementFact, count, spread, move }: DeployOptions): JsonObject {
  return {
    ...(placementSelector && { selector: { matchLabels: readPairs("--placement-selector", placementSelector) } }),
    ...(placementFact && { facts: readFacts(placementFact) }),
    ...(count !== undefined && { count }),
    ...(spread !== undefined && { spread }),
    ...(move !== undefined && { move }),
  };
}

/** The comparison goes with the value, but for equality. */
function readFacts(words: readonly string[]): JsonObject {
  return Object.fromEntries(
    words.map((word) => {
      const [, name, operator = "", value = ""] = /^([^<>=]+)(>=|<=|>|<|=)(.*)$/.exec(word) ?? [];
      if (name === undefined) throw usage(`--placement-fact ${word} is no fact`, "region=eu-west-1, memory>=64Gi");
      return [name, operator === "=" ? value : operator + value];
    }),
  );
}

function readPairs(option: string, words: readonly string[]): JsonObject {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf("=");
      if (at < 1) throw usage(`${option} ${word} is not KEY=VALUE`);
      return [word.slice(0, at), word.slice(at + 1)];
    }),
  );
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

function usage(message: string, hint?: string): CliError {
  return new CliError(message, { code: exitCode.usage, hint });
}
