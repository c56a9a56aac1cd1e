/**
 * What peers' apps brought along and what of it is there, by namespace. The content itself is not kept: of each object its hash is made
 * when it is read, so that what somebody put in the place of one is known for what it is.
 */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { SecretContent } from "../../base/secret-content.ts";
import type { Attachment } from "../../intent/wish.ts";
import type { KubeClient } from "../../kube/client.ts";
import { type Draft, isJsonObject, type JsonObject, keyOf, type ObjectMeta } from "../../kube/object.ts";
import { createReflector } from "../../kube/reflector.ts";
import type { ResourceKind } from "../../kube/resource-kind.ts";
import { type ConfigMap, configMaps, type Secret, secrets, type Workload } from "../../kube/resources.ts";
import type { ContentHash } from "../content-hash.ts";
import { createLatest, type Latest } from "../latest.ts";
import { inlineHash } from "./attachments.ts";
import { annotations, labels } from "./names.ts";

/** One object, without what it holds. */
export interface Content {
  readonly metadata: ObjectMeta;
  readonly kind: Attachment["kind"];
  /** It holds what its label says. */
  readonly isWhole: boolean;
  readonly bytes: number;
}

/** What is there in one namespace. */
export interface ContentShelf {
  get(kind: Attachment["kind"], name: string): Content | undefined;
  /** All of one Workload, by its name. */
  of(workload: string): Content[];
  /** Of all, together. */
  readonly bytes: number;
  readonly isSynced: boolean;
  /** Why the API server cannot be heard; undefined while it can. */
  readonly lastError: Error | undefined;
  /** Takes the answer to our own write. */
  put(kind: Attachment["kind"], object: Secret | ConfigMap): void;
  close(): Promise<void>;
}

/** `onChange` is called with the name of the Workload whose contents changed, and with undefined once all is known. */
export function openContentShelf(deps: {
  client: Pick<KubeClient, "list" | "watch">;
  namespace: string;
  hashContent: ContentHash;
  onChange(workload: string | undefined): void;
  clock: Clock;
  log: Log;
}): ContentShelf {
  const { client, namespace, hashContent, clock, log } = deps;
  const closing = new AbortController();
  const sizes = new Map<string, number>();
  let bytes = 0;
  let lastError: Error | undefined;

  function watch(kind: Attachment["kind"]): Latest<Content> {
    const reflector = createReflector<Content>({
      client,
      kind: contentKind(kind, hashContent),
      namespace,
      labelSelector: labels.content,
      onTouch(error) {
        const wasWell = lastError === undefined;
        lastError = error;
        if (wasWell !== (error === undefined)) deps.onChange(undefined);
      },
      clock,
      log,
    });
    const latest = createLatest(reflector);
    latest.subscribe((key, content, before) => {
      const size = content?.bytes ?? 0;
      bytes += size - (sizes.get(`${kind} ${key}`) ?? 0);
      if (content) sizes.set(`${kind} ${key}`, size);
      else sizes.delete(`${kind} ${key}`);
      deps.onChange(workloadOf(content ?? before));
    });
    return latest;
  }

  const shelf = { ConfigMap: watch("ConfigMap"), Secret: watch("Secret") };
  const both = Object.values(shelf);
  Promise.all(both.map((latest) => latest.synced(closing.signal))).then(
    () => deps.onChange(undefined),
    () => undefined, // It closed before.
  );

  return {
    get: (kind, name) => shelf[kind].get(keyOf({ namespace, name })),
    of: (workload) => both.flatMap((latest) => [...latest.list()]).filter((one) => workloadOf(one) === workload),
    get bytes() {
      return bytes;
    },
    get isSynced() {
      return both.every((latest) => latest.isSynced);
    },
    get lastError() {
      return lastError;
    },
    put: (kind, object) => shelf[kind].put(contentOf(kind, object, hashContent)),
    async close() {
      closing.abort(new Error("The namespace is no longer watched."));
      await Promise.all(both.map((latest) => latest.close()));
    },
  };
}

/** The object that holds an attachment, owned by its Workload and gone with it. */
export function contentDraft(
  workload: Workload,
  name: string,
  { attachment, hash }: { attachment: Attachment; hash: string },
): Draft<Secret & ConfigMap> {
  const { namespace = "", name: owner = "", uid = "" } = workload.metadata;
  const metadata = {
    name,
    namespace,
    labels: {
      [labels.managedBy]: "fairlead",
      [labels.peer]: workload.spec.origin?.peer ?? "",
      [labels.workload]: owner,
      [labels.content]: labelOf(hash),
    },
    annotations: { [annotations.contentOf]: attachment.name },
    ...(uid === ""
      ? {}
      : {
          ownerReferences: [
            {
              apiVersion: "fairlead.dev/v1alpha1",
              kind: "Workload",
              name: owner,
              uid,
              blockOwnerDeletion: true,
              controller: true,
            },
          ],
        }),
  };
  const data = Object.fromEntries(
    Object.entries(attachment.content.reveal()).map(([key, value]) => [key, Buffer.from(value).toString("base64")]),
  );
  return attachment.kind === "Secret"
    ? { metadata, immutable: true, type: attachment.type, data }
    : { metadata, immutable: true, ...configMapData(attachment) };
}

/** What is text stays text, as people and programs expect it in a ConfigMap. */
function configMapData({ content }: Attachment): { data: Record<string, string>; binaryData: Record<string, string> } {
  const data: Record<string, string> = {};
  const binaryData: Record<string, string> = {};
  for (const [key, bytes] of Object.entries(content.reveal())) {
    const buffer = Buffer.from(bytes);
    const text = buffer.toString();
    if (Buffer.from(text).equals(buffer)) data[key] = text;
    else binaryData[key] = buffer.toString("base64");
  }
  return { data, binaryData };
}

/** A label's value has no room for the 64th digit. */
function labelOf(hash: string): string {
  return hash.slice(0, 63);
}

function contentKind(kind: Attachment["kind"], hash: ContentHash): ResourceKind<Content> {
  const plain = kind === "Secret" ? secrets : configMaps;
  const parse = (json: JsonObject): Content => contentOf(kind, plain.parse(json), hash);
  // It is only read in this form.
  return { ...plain, parse, format: (object) => (isJsonObject(object) ? object : {}) };
}

function contentOf(kind: Attachment["kind"], object: Secret | ConfigMap, hash: ContentHash): Content {
  const data = Object.entries(object.data ?? {}).map(
    ([key, value]) => [key, Buffer.from(value, kind === "Secret" ? "base64" : "utf8")] as const,
  );
  const binary = "binaryData" in object ? Object.entries(object.binaryData ?? {}) : [];
  for (const [key, value] of binary) data.push([key, Buffer.from(value, "base64")]);
  const content = new SecretContent(Object.fromEntries(data));
  const type = kind === "Secret" && "type" in object ? (object.type ?? "Opaque") : "";
  const attachment = { kind, name: object.metadata.annotations?.[annotations.contentOf] ?? "", type, content };
  const label = object.metadata.labels?.[labels.content];
  const isInline = kind === "ConfigMap" && label === labelOf(inlineHash(attachment));
  const isWhole = isInline || label === labelOf(hash(attachment));
  return { metadata: object.metadata, kind, isWhole, bytes: content.bytes };
}

function workloadOf(content: Content | undefined): string {
  return content?.metadata.labels?.[labels.workload] ?? "";
}
