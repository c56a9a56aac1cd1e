/** What is wrong with the ConfigMaps and Secrets that an app brings along, as its spec says them. Pure. */
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { intentLimits, type Violation } from "../../intent/wish.ts";

/** As the API server has it of the keys of a ConfigMap's and a Secret's data. */
const key = /^[-._a-zA-Z0-9]{1,253}$/;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function contentChecks({ configMaps, secrets }: Pick<RemoteAppSpec, "configMaps" | "secrets">): Violation[] {
  const found: Violation[] = [];
  for (const [field, list] of [["configMaps", configMaps] as const, ["secrets", secrets] as const]) {
    list.forEach(({ hash }, index) => {
      if (hash === undefined) return;
      found.push({ field: `${field}[${index}].hash`, rule: "hash", message: "the host writes it, and nobody else" });
    });
  }
  let keys = 0;
  configMaps.forEach(({ data, binaryData }, index) => {
    const names = [...Object.keys(data), ...Object.keys(binaryData)];
    keys += names.length;
    for (const name of names) {
      const field = `configMaps[${index}].${Object.hasOwn(data, name) ? "data" : "binaryData"}[${name.slice(0, 253)}]`;
      if (!key.test(name) || name === "." || name.startsWith("..") || name === "__proto__") {
        found.push({
          field,
          rule: "key",
          message: "a key has letters, digits, '-', '_' and '.', and does not begin with '..'",
        });
      }
      if (Object.hasOwn(data, name) && Object.hasOwn(binaryData, name)) {
        found.push({ field, rule: "unique", message: "the key is in data and in binaryData" });
      }
      if (!base64.test(binaryData[name] ?? "")) found.push({ field, rule: "base64", message: "not base64" });
    }
  });
  if (keys > intentLimits.attachmentKeys) {
    const message = `there are more than ${intentLimits.attachmentKeys} keys in all ConfigMaps together`;
    return [{ field: "configMaps", rule: "max_items", message }];
  }
  return found;
}
