/** Names a spec by what it says. Pure. */
import { createHash } from "node:crypto";
import { toJson } from "@bufbuild/protobuf";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";

/**
 * The SHA-256, in lower-case hex, of the spec's canonical JSON text (RFC 8785): equal exactly for specs that say the same,
 * however their JSON was spaced and ordered. A person's decision is about the one spec that has its hash.
 */
export function hashSpec(app: RemoteAppSpec): string {
  return createHash("sha256")
    .update(canonicalJson(toJson(RemoteAppSpecSchema, app)))
    .digest("hex");
}

/** RFC 8785: no spaces, keys ordered by their UTF-16 code units; texts and numbers as ECMAScript writes them. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.join(",")}}`;
}
