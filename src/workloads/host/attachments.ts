/**
 * What an app brings along, as this cluster keeps it: immutable objects that are called after what they hold. Another content is
 * another object, so that a pod never sees half a change, a change rolls the pods out by itself, and what ran before finds what it
 * ran with. Pure.
 */
import { createSecretKey } from "node:crypto";
import { clone, create } from "@bufbuild/protobuf";
import { SecretContent } from "../../base/secret-content.ts";
import { AppConfigMapSchema, AppSecretSchema } from "../../gen/fairlead/resources/v1alpha1/app_config_pb.ts";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Attachment, Violation } from "../../intent/wish.ts";
import { isInline, isShareableType } from "../brought.ts";
import { type ContentHash, createContentHash } from "../content-hash.ts";

/** One object that an app needs here. */
export interface Needed {
  readonly kind: Attachment["kind"];
  /** What the spec calls it. */
  readonly name: string;
  readonly hash: string;
  /** Where the content is written in the spec; it travels otherwise. */
  readonly inline?: Attachment;
}

/** All that an app brings along. What has not come yet has no hash, and is left out. */
export function neededBy(app: Pick<RemoteAppSpec, "configMaps" | "secrets">): Needed[] {
  const needed: Needed[] = [];
  for (const one of app.configMaps) {
    const { name = "", hash } = one;
    if (isInline(one)) {
      const inline = inlineOf(one);
      needed.push({ kind: "ConfigMap", name, hash: inlineHash(inline), inline });
    } else if (hash !== undefined) needed.push({ kind: "ConfigMap", name, hash });
  }
  for (const { name = "", hash } of app.secrets) if (hash !== undefined) needed.push({ kind: "Secret", name, hash });
  return needed;
}

/** The names at this host of what an app brings along, by its names in the spec. */
export function attachedNames(
  workload: string,
  app: Pick<RemoteAppSpec, "configMaps" | "secrets">,
): Record<"configMaps" | "secrets", ReadonlyMap<string, string>> {
  const names = { configMaps: new Map<string, string>(), secrets: new Map<string, string>() };
  for (const one of neededBy(app)) {
    names[one.kind === "Secret" ? "secrets" : "configMaps"].set(one.name, contentName(workload, one));
  }
  return names;
}

/** 64 bits of the hash tell the contents of one Workload apart; at most 253 characters, and of a DNS name's form. */
export function contentName(workload: string, { name, hash }: Pick<Needed, "name" | "hash">): string {
  const end = `-${hash.slice(0, 16)}`;
  const readable = name.slice(0, 253 - workload.length - 1 - end.length).replace(/[-.]+$/, "");
  return `${workload}-${readable}${end}`;
}

/** What is in the spec is no secret, so that anybody may know its hash. */
export const inlineHash: ContentHash = createContentHash(createSecretKey(Buffer.from("inline")));

function inlineOf({ name = "", data, binaryData }: RemoteAppSpec["configMaps"][number]): Attachment {
  const texts = Object.entries(data).map(([key, text]) => [key, Buffer.from(text)] as const);
  const bytes = Object.entries(binaryData).map(([key, text]) => [key, Buffer.from(text, "base64")] as const);
  return { kind: "ConfigMap", name, type: "", content: new SecretContent(Object.fromEntries([...texts, ...bytes])) };
}

/** What is wrong with what came beside a spec; empty when it is exactly what the spec names. */
export function attachmentFaults(app: RemoteAppSpec, attachments: readonly Attachment[]): Violation[] {
  const found: Violation[] = [];
  const came = new Set(attachments.map(({ kind, name }) => `${kind} ${name}`));
  const wanted = new Set<string>();
  const want = (kind: Attachment["kind"], name: string, field: string): void => {
    wanted.add(`${kind} ${name}`);
    if (came.has(`${kind} ${name}`)) return;
    found.push({ field, rule: "attachments", message: `the ${kind} ${name} did not come with the app` });
  };
  app.configMaps.forEach((one, index) => {
    if (!isInline(one)) want("ConfigMap", one.name ?? "", `configMaps[${index}]`);
  });
  app.secrets.forEach(({ name = "" }, index) => {
    want("Secret", name, `secrets[${index}]`);
  });
  for (const { kind, name, type } of attachments) {
    const about = { field: "", rule: "attachments" };
    if (!wanted.has(`${kind} ${name}`)) {
      found.push({ ...about, message: `the ${kind} ${name} came with the app, and nothing of its spec names it` });
    }
    if (!isShareableType(type)) {
      found.push({ ...about, message: `the Secret ${name} is of a type that no peer may bring: ${type}` });
    }
  }
  if (came.size < attachments.length) {
    found.push({ field: "", rule: "attachments", message: "something came twice with the app" });
  }
  return found;
}

/** The spec with the hashes of what came with it, which all that is decided here is about from then on. */
export function withHashes(app: RemoteAppSpec, attachments: readonly Attachment[], hash: ContentHash): RemoteAppSpec {
  if (attachments.length === 0) return app;
  const hashes = new Map(attachments.map((one) => [`${one.kind} ${one.name}`, hash(one)]));
  return hashed(app, (kind, name) => hashes.get(`${kind} ${name}`));
}

/** The spec with the hashes that another one has for the same names: as if nothing of that had changed. */
export function withHashesOf(app: RemoteAppSpec, other: RemoteAppSpec | undefined): RemoteAppSpec {
  if (!other) return app;
  const hashes = new Map(neededBy(other).map((one) => [`${one.kind} ${one.name}`, one.hash]));
  return hashed(app, (kind, name) => hashes.get(`${kind} ${name}`));
}

/** The spec as its origin wrote it. */
export function withoutHashes(app: RemoteAppSpec): RemoteAppSpec {
  return hashed(app, () => undefined);
}

function hashed(
  app: RemoteAppSpec,
  hashOf: (kind: Attachment["kind"], name: string) => string | undefined,
): RemoteAppSpec {
  if (app.secrets.length === 0 && app.configMaps.length === 0) return app;
  // Not the same message: whoever knows the one by its identity must not take the other for it.
  const changed = clone(RemoteAppSpecSchema, app);
  changed.configMaps = app.configMaps.map(({ name = "", data, binaryData }) => {
    const hash = isInline({ data, binaryData }) ? undefined : hashOf("ConfigMap", name);
    return create(AppConfigMapSchema, { name, data, binaryData, ...(hash === undefined ? {} : { hash }) });
  });
  changed.secrets = app.secrets.map(({ name = "" }) => {
    const hash = hashOf("Secret", name);
    return create(AppSecretSchema, { name, ...(hash === undefined ? {} : { hash }) });
  });
  return changed;
}
