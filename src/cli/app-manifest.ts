/** RemoteApps as a person writes them: YAML documents, or options of the command line. Pure. */
import type { JsonObject } from "@bufbuild/protobuf";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { CliError, exitCode } from "./errors.ts";
import { type Manifest, readManifestsOf, readSpec } from "./manifest.ts";

/** What `app deploy` sends. */
export type AppManifest = Manifest<RemoteAppSpec>;

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

/** As manifests have it. */
export const remoteApp = { kind: "RemoteApp", spec: RemoteAppSpecSchema, noun: "an app" };

/** The RemoteApps in a YAML or JSON text of one or more documents. Throws a `CliError` with the place of the mistake. */
export function readManifests(text: string, from: string, defaultNamespace: string): AppManifest[] {
  return readManifestsOf(remoteApp, text, from, defaultNamespace);
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
    spec: readSpec(remoteApp, spec, () => "the command line"),
    labels: {},
    annotations: {},
  };
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
