/** Labels and annotations that an app gives its pods: whose they are, and whether an API server would take them. Pure. */
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Violation } from "../../intent/wish.ts";

/** By these others tell what a pod is and may: Kubernetes itself, what runs in a cluster, and this agent. */
const reserved = ["kubernetes.io", "k8s.io", "fairlead.dev"] as const;

const namePattern = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const domainPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

export function keyChecks(app: RemoteAppSpec): Violation[] {
  return [
    ...Object.entries(app.podLabels).flatMap(([key, value]) => {
      const field = `podLabels[${key}]`;
      return [...keyCheck(key, field), ...(value === "" || namePattern.test(value) ? [] : [syntax(field)])];
    }),
    ...Object.keys(app.podAnnotations).flatMap((key) => keyCheck(key, `podAnnotations[${key}]`)),
  ];
}

function keyCheck(key: string, field: string): Violation[] {
  const slash = key.indexOf("/");
  const [domain, name] = slash < 0 ? [undefined, key] : [key.slice(0, slash), key.slice(slash + 1)];
  const isDomain = domain === undefined || (domain.length <= 253 && domainPattern.test(domain));
  if (!isDomain || !namePattern.test(name)) return [syntax(field)];
  const owner = reserved.find((each) => domain === each || domain?.endsWith(`.${each}`));
  if (!owner) return [];
  return [{ field, rule: "forbidden", message: `keys of ${owner} are not the app's to set` }];
}

function syntax(field: string): Violation {
  const message = "must be at most 63 letters, digits, -, _ or . that begin and end with a letter or digit";
  return { field, rule: "syntax", message: `${message}, a key after a domain and / if there is one` };
}
