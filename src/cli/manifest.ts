/** Resources of ours as a person writes them, in YAML or JSON documents: each mistake is told with its place. Pure. */
import {
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import { stringify } from "yaml";
import { type Document, DocumentError, parseDocuments } from "../base/document.ts";
import { errorText } from "../base/error-text.ts";
import type { ObjectMeta } from "../gen/fairlead/console/v1/object_pb.ts";
import { CliError, exitCode } from "./errors.ts";
import { findMistakes, isMap, type Path, pathText } from "./spec-mistakes.ts";

/** What is sent of a resource. */
export interface Manifest<Spec> {
  readonly ref: { readonly namespace: string; readonly name: string };
  readonly spec: Spec;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}

/** A kind of resource, and its words. */
export interface ManifestKind<Spec extends DescMessage> {
  readonly kind: string;
  readonly spec: Spec;
  /** As in "an app". */
  readonly noun: string;
}

/** Those of the kind in a text of one or more documents, which hold nothing else. Throws a `CliError` with the place of the mistake. */
export function readManifestsOf<Spec extends DescMessage>(
  kind: ManifestKind<Spec>,
  text: string,
  from: string,
  defaultNamespace: string,
): Manifest<MessageShape<Spec>>[] {
  const manifests = documents(text, from).map((source) => readManifest(kind, source, defaultNamespace));
  if (manifests.length > 0) return manifests;
  const hint = `a document with apiVersion: fairlead.dev/v1alpha1 and kind: ${kind.kind}`;
  throw usage(`${from} holds no ${kind.kind}`, hint);
}

/** What of a resource is a person's to change, as YAML. */
export function manifestText<Spec extends DescMessage>(
  { kind, spec: schema }: ManifestKind<Spec>,
  metadata: ObjectMeta | undefined,
  spec: MessageShape<Spec> | undefined,
): string {
  const annotations = Object.entries(metadata?.annotations ?? {}).filter(([key]) => !key.startsWith("fairlead.dev/"));
  const labels = metadata?.labels ?? {};
  const object = {
    apiVersion: "fairlead.dev/v1alpha1",
    kind,
    metadata: {
      namespace: metadata?.namespace ?? "",
      name: metadata?.name ?? "",
      ...(Object.keys(labels).length > 0 && { labels }),
      ...(annotations.length > 0 && { annotations: Object.fromEntries(annotations) }),
    },
    ...(spec && { spec: toJson(schema, spec) }),
  };
  return stringify(object, { lineWidth: 0 });
}

/** What a person has made of such a text, of the same resource. */
export function readEdited<Spec extends DescMessage>(
  kind: ManifestKind<Spec>,
  written: string,
  { namespace, name }: Manifest<unknown>["ref"],
): Omit<Manifest<MessageShape<Spec>>, "ref"> {
  const [manifest, ...more] = readManifestsOf(kind, written, "your text", namespace);
  if (!manifest || more.length > 0) throw usage(`the text holds one ${kind.kind}`);
  const { ref, ...edited } = manifest;
  if (ref.name === name && ref.namespace === namespace) return edited;
  throw usage(`the name and the namespace stay ${namespace}/${name}`);
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

function readManifest<Spec extends DescMessage>(
  wanted: ManifestKind<Spec>,
  { value, where }: Source,
  defaultNamespace: string,
): Manifest<MessageShape<Spec>> {
  if (!isMap(value)) throw usage(`${where([])}: this is no ${wanted.kind}`, explainHint(wanted));
  const { apiVersion, kind, metadata = {}, spec = {} } = value;
  if (apiVersion !== "fairlead.dev/v1alpha1" || kind !== wanted.kind) {
    const is = [apiVersion, kind].filter((part) => typeof part === "string").join(" ") || "of no kind";
    throw usage(
      `${where([])}: this is ${is}, not fairlead.dev/v1alpha1 ${wanted.kind}`,
      "kubectl apply -f, for other kinds",
    );
  }
  // `status` and what the API server adds to the metadata may stand there, so that what `get -o yaml` prints can be used.
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown) throw usage(`${where([unknown])}: there is no such field`);
  if (!isMap(metadata)) throw usage(`${where(["metadata"])}: must be a map`);
  const name = readString(metadata, "name", where);
  if (!name) throw usage(`${where(["metadata", "name"])}: ${wanted.noun} needs a name`);
  return {
    ref: { namespace: readString(metadata, "namespace", where) || defaultNamespace, name },
    spec: readSpec(wanted, spec, where),
    labels: readStrings(metadata, "labels", where),
    annotations: readStrings(metadata, "annotations", where),
  };
}

/** What goes by an object, `use`, is in what `get -o yaml` prints of a Forward. */
const known = ["apiVersion", "kind", "metadata", "spec", "status", "use"];

/** Throws a `CliError` with all mistakes. */
export function readSpec<Spec extends DescMessage>(
  kind: ManifestKind<Spec>,
  spec: JsonValue,
  where: Where,
): MessageShape<Spec> {
  const hint = `${explainHint(kind)}.spec`;
  const mistakes = findMistakes(kind.spec, spec, ["spec"]);
  if (mistakes.length > 0) throw usage(mistakes.map(({ path, says }) => `${where(path)}: ${says}`).join("\n"), hint);
  try {
    return fromJson(kind.spec, spec);
  } catch (error) {
    const reason = errorText(error);
    throw new CliError(`${where(["spec"])}: ${reason}`, { code: exitCode.usage, hint, cause: error });
  }
}

function explainHint({ kind }: Pick<ManifestKind<DescMessage>, "kind">): string {
  return `kubectl explain ${kind.toLowerCase()}`;
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

function usage(message: string, hint?: string): CliError {
  return new CliError(message, { code: exitCode.usage, hint });
}
