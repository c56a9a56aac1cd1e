/** Rules about where an app's pods run: as the policy lets it choose, and in regard to no pods but those of its own peer. */
import type { JsonObject } from "../../kube/object.ts";
import { partAt, partsAt, textAt, valueAt } from "../fragment.ts";
import { type KeyPattern, listed, matchesKey, matchesTaint } from "../key-pattern.ts";
import type { Finding, Question } from "./question.ts";

export function areNodesAllowed({ app, context: { policy } }: Question): readonly Finding[] {
  const { nodeLabels } = policy.scheduling;
  const chosen = Object.entries(app.nodeSelector).flatMap(([key, value]) => {
    const field = `nodeSelector[${key}]`;
    const fixed = Object.hasOwn(policy.nodeSelector, key) ? policy.nodeSelector[key] : undefined;
    if (fixed === value) return [];
    if (fixed !== undefined) {
      const message = `pods run on nodes with ${key}=${fixed} here, and the app cannot choose others`;
      return [{ rule: "scheduling/node-selector", field, message, asked: value, allowed: fixed }];
    }
    return matchesKey(nodeLabels, key) ? [] : [notByLabel(field, key, nodeLabels)];
  });
  return [...chosen, ...affinityTerms(app.affinity).flatMap((term) => areExpressionsAllowed(term, nodeLabels))];
}

interface Term {
  readonly path: string;
  readonly term: JsonObject | undefined;
}

function affinityTerms(affinity: JsonObject | undefined): Term[] {
  const node = partAt(affinity, "nodeAffinity");
  const path = "affinity.nodeAffinity";
  return [
    ...partsAt(partAt(node, required), "nodeSelectorTerms").map(({ part, at }) => {
      return { path: `${path}.${required}.nodeSelectorTerms[${at}]`, term: part };
    }),
    ...partsAt(node, preferred).map(({ part, at }) => {
      return { path: `${path}.${preferred}[${at}].preference`, term: partAt(part, "preference") };
    }),
  ];
}

const required = "requiredDuringSchedulingIgnoredDuringExecution";
const preferred = "preferredDuringSchedulingIgnoredDuringExecution";

function areExpressionsAllowed({ path, term }: Term, allowed: readonly KeyPattern[]): Finding[] {
  const byLabel = partsAt(term, "matchExpressions").flatMap(({ part, at }) => {
    const key = textAt(part, "key") ?? "";
    return matchesKey(allowed, key) ? [] : [notByLabel(`${path}.matchExpressions[${at}].key`, key, allowed)];
  });
  if (valueAt(term, "matchFields") === undefined) return byLabel;
  const message = "nodes cannot be chosen by their names here; choose them by labels, or leave the choice to the host";
  return [...byLabel, { rule: "scheduling/node-name", field: `${path}.matchFields`, message }];
}

function notByLabel(field: string, asked: string, patterns: readonly KeyPattern[]): Finding {
  const allowed = listed(patterns);
  const message = `nodes cannot be chosen by ${asked} here, only by ${allowed}; the operator of this cluster can allow it in a PeerPolicy, in workloads.scheduling.nodeLabels`;
  return { rule: "scheduling/node-label", field, message, asked, allowed };
}

/** A toleration without a key is one of all taints. */
export function areTaintsAllowed({ app, context: { policy } }: Question): readonly Finding[] {
  const { tolerations } = policy.scheduling;
  return app.tolerations.flatMap((toleration, at) => {
    const key = textAt(toleration, "key") ?? "";
    const isOfEachValue = textAt(toleration, "operator") === "Exists";
    const value = isOfEachValue ? undefined : (textAt(toleration, "value") ?? "");
    // What is for all taints needs a pattern that is for all of them: a pattern for all of one domain has a slash.
    const isAllowed =
      key === "" ? tolerations.some(({ text }) => text === "**") : matchesTaint(tolerations, key, value);
    if (isAllowed) return [];
    const asked = key === "" ? "all taints" : value ? `${key}=${value}` : key;
    const allowed = listed(tolerations);
    const message = `${asked} cannot be tolerated here, only ${allowed}; the operator of this cluster can allow it in a PeerPolicy, in workloads.scheduling.tolerations`;
    return [{ rule: "scheduling/toleration", field: `tolerations[${at}]`, message, asked, allowed }];
  });
}

/** Without a namespace they are about the pods of the same peer, which has one of its own; another would be somebody else's. */
export function arePodsSpreadAsAllowed({ app, context: { policy } }: Question): readonly Finding[] {
  const keys = policy.scheduling.topologyKeys;
  const spread = app.topologySpreadConstraints.map((term, at) => ({ path: `topologySpreadConstraints[${at}]`, term }));
  return [...spread, ...podTerms(app.affinity)].flatMap(({ path, term }) => [
    ...["namespaces", "namespaceSelector"].flatMap((name) => {
      if (valueAt(term, name) === undefined) return [];
      const message = `affinity is about pods of the same peer here; leave ${name} out`;
      return [{ rule: "scheduling/namespaces", field: `${path}.${name}`, message }];
    }),
    ...isTopologyAllowed(path, textAt(term, "topologyKey") ?? "", keys),
  ]);
}

function isTopologyAllowed(path: string, asked: string, keys: readonly KeyPattern[]): Finding[] {
  if (matchesKey(keys, asked)) return [];
  const allowed = listed(keys);
  const message = `pods cannot be spread or gathered by ${asked} here, only by ${allowed}; the operator of this cluster can allow it in a PeerPolicy, in workloads.scheduling.topologyKeys`;
  return [{ rule: "scheduling/topology", field: `${path}.topologyKey`, message, asked, allowed }];
}

function podTerms(affinity: JsonObject | undefined): Term[] {
  return ["podAffinity", "podAntiAffinity"].flatMap((kind) => {
    const part = partAt(affinity, kind);
    return [
      ...partsAt(part, required).map(({ part: term, at }) => ({ path: `affinity.${kind}.${required}[${at}]`, term })),
      ...partsAt(part, preferred).map(({ part: weighted, at }) => {
        const term = partAt(weighted, "podAffinityTerm");
        return { path: `affinity.${kind}.${preferred}[${at}].podAffinityTerm`, term };
      }),
    ];
  });
}
