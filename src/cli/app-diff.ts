/** What a deploy changes in an app, and what goes with the app to its peer. Secrets are told by their names: nothing of their content is known here. Pure. */
import { type JsonObject, toJson } from "@bufbuild/protobuf";
import { stringify } from "yaml";
import type { App } from "../gen/fairlead/console/v1/app_service_pb.ts";
import type { AppConfigMap } from "../gen/fairlead/resources/v1alpha1/app_config_pb.ts";
import { RemoteAppSpecSchema } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { markedLines } from "./line-diff.ts";
import { plain, visible } from "./table.ts";

/** The agent's own note of the peer that is to hold the app. */
const heldBy = "fairlead.dev/held-by";

/** Lines of YAML, with `-` where one goes and `+` where it comes; none when nothing changes. */
export function deployDiff(before: App | undefined, after: App): string[] {
  const old = before ? linesOf(before) : [];
  const young = linesOf(after);
  if (old.join("\n") === young.join("\n")) return [];
  return before ? markedLines(old, young) : young.map((line) => `+ ${line}`);
}

function linesOf({ metadata, spec }: App): string[] {
  const { labels = {} } = metadata ?? {};
  const { [heldBy]: _, ...annotations } = metadata?.annotations ?? {};
  const json: JsonObject = {
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(Object.keys(annotations).length > 0 && { annotations }),
    ...(spec && { spec: toJson(RemoteAppSpecSchema, spec) }),
  };
  return stringify(json, { lineWidth: 0, sortMapEntries: false }).trimEnd().split("\n").map(visible);
}

/** As in "with it goes: Secret db, ConfigMap settings (2 files, 312 bytes)"; undefined when nothing does. */
export function sentWith({ spec }: App): string | undefined {
  const parts = [
    ...(spec?.configMaps ?? []).map((one) => `ConfigMap ${one.name}${sizeOf(one)}`),
    ...(spec?.secrets ?? []).map(({ name }) => `Secret ${name}`),
  ];
  return parts.length === 0 ? undefined : plain(`with it goes: ${parts.join(", ")}`);
}

/** Of one that stands in the app itself; what is in the cluster is read when it is sent. */
function sizeOf({ data, binaryData }: AppConfigMap): string {
  const sizes = [
    ...Object.values(data).map((text) => Buffer.byteLength(text)),
    ...Object.values(binaryData).map((text) => Buffer.byteLength(text, "base64")),
  ];
  if (sizes.length === 0) return "";
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return ` (${sizes.length} ${sizes.length === 1 ? "file" : "files"}, ${bytes} bytes)`;
}
