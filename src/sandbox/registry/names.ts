/** Names and labels by Kubernetes' rules. */
import { isObject, type JsonObject } from "../json.ts";
import type { Resource } from "../resource.ts";
import type { Cause } from "../status-error.ts";

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const serviceName = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const labelKey = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$/;

export function nameBreach(resource: Resource, name: string): Cause[] {
  if (!name)
    return [
      {
        reason: "FieldValueRequired",
        message: "Required value: name or generateName is required",
        field: "metadata.name",
      },
    ];
  const why = wrongName(resource, name);
  return why
    ? [
        {
          reason: "FieldValueInvalid",
          message: `Invalid value: ${JSON.stringify(name)}: ${why}`,
          field: "metadata.name",
        },
      ]
    : [];
}

function wrongName(resource: Resource, name: string): string | undefined {
  if (resource.group === "rbac.authorization.k8s.io") {
    return name === "." || name === ".." || /[/%]/.test(name)
      ? "may not be '.' or '..' or contain '/' or '%'"
      : undefined;
  }
  if (resource.plural === "namespaces" && !resource.custom) {
    return label.test(name) && name.length <= 63
      ? undefined
      : "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
  }
  if (resource.plural === "services" && !resource.custom) {
    return serviceName.test(name) && name.length <= 63
      ? undefined
      : "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
  }
  if (name.length > 253) return "must be no more than 253 characters";
  return subdomain.test(name)
    ? undefined
    : "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
}

export function labelBreaches(metadata: JsonObject): Cause[] {
  const causes: Cause[] = [];
  const labels = isObject(metadata.labels) ? metadata.labels : {};
  for (const [key, value] of Object.entries(labels)) {
    if (!labelKey.test(key)) {
      causes.push({
        reason: "FieldValueInvalid",
        message: `Invalid value: ${JSON.stringify(key)}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`,
        field: "metadata.labels",
      });
    }
    if (typeof value !== "string" || value.length > 63 || !labelValue.test(value)) {
      causes.push({
        reason: "FieldValueInvalid",
        message: `Invalid value: ${JSON.stringify(value)}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character, and be no more than 63 characters`,
        field: "metadata.labels",
      });
    }
  }
  return causes;
}

/** Five characters as Kubernetes picks them: no vowels, so that no words arise. */
export function randomSuffix(random: () => number = Math.random): string {
  const letters = "bcdfghjklmnpqrstvwxz2456789";
  return Array.from({ length: 5 }, () => letters[Math.floor(random() * letters.length)]).join("");
}
