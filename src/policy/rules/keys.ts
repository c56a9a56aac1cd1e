/** Rules about the labels and annotations that an app sets on its pods, by which others in this cluster may be told what to do. */
import { type KeyPattern, listed, matchesKey } from "../key-pattern.ts";
import type { Finding, Question } from "./question.ts";

export function areKeysAllowed({ app, context: { policy } }: Question): readonly Finding[] {
  return [
    ...judge("podLabels", "labels", Object.keys(app.podLabels), policy.pod.labels),
    ...judge("podAnnotations", "annotations", Object.keys(app.podAnnotations), policy.pod.annotations),
  ];
}

/** By these Kubernetes and this agent know what is whose. */
const reserved = /^(?:[^/]*\.)?(?:kubernetes\.io|k8s\.io|fairlead\.dev)\//i;
/** Keys for container runtimes have dots and no slash. */
const plain = /^[^.]*$/;

function judge(name: string, part: string, keys: readonly string[], patterns: readonly KeyPattern[]): Finding[] {
  return keys.flatMap((key) => {
    const field = `${name}[${key}]`;
    if (reserved.test(key)) {
      const message = "keys of kubernetes.io, k8s.io and fairlead.dev are not the app's to set";
      return [{ rule: `pod/${part}`, field, message, asked: key }];
    }
    if (patterns.length === 0 ? plain.test(key) : matchesKey(patterns, key)) return [];
    const allowed = patterns.length === 0 ? "keys without a dot" : listed(patterns);
    const message = `${key} cannot be set on pods here, only ${allowed}; the operator of this cluster can allow it in a PeerPolicy, in workloads.pod.${part}`;
    return [{ rule: `pod/${part}`, field, message, asked: key, allowed }];
  });
}
