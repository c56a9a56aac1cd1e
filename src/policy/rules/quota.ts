/** Rules about how much there may be of everything together. */

import { type Amounts, formatQuantity, type Quantity } from "../quantity.ts";
import { podResources } from "../resource-name.ts";
import type { Finding, Question } from "./question.ts";

export function areReplicasFew({ demand: { replicas }, context: { policy } }: Question): readonly Finding[] {
  const { maxReplicas } = policy;
  if (maxReplicas === undefined || replicas <= maxReplicas) return [];
  const message = `an app may have at most ${maxReplicas} replicas here, and this one asks for ${replicas}`;
  return [{ rule: "replicas/max", field: "replicas", message, asked: String(replicas), allowed: String(maxReplicas) }];
}

/** A change of an app that runs brings no app more. */
export function areAppsFew({ context: { peer, policy, usage, running }, isUnchanged }: Question): readonly Finding[] {
  const { maxApps } = policy;
  if (maxApps === undefined || usage.apps < maxApps || (running && !isUnchanged)) return [];
  const message = `peer ${peer} may have at most ${maxApps} apps here and has ${usage.apps} others; delete one of them`;
  return [{ rule: "apps/max", field: "", message, asked: String(usage.apps + 1), allowed: String(maxApps) }];
}

export function isWithinQuota(question: Question): readonly Finding[] {
  const { policy, usage, peer } = question.context;
  return [...policy.quota].flatMap(([name, most]) => {
    const used = usage.amounts.get(name) ?? 0n;
    return judge(question, { name, most, used, rule: "quota" }, (asked) => {
      const bound = formatQuantity(most, name);
      const others = formatQuantity(used, name);
      return `asks for ${asked} of ${name}; all apps of peer ${peer} together may ask for ${bound} here, and its other apps ask for ${others}`;
    });
  });
}

/** How much other peers use is not for this one to know. */
export function isWithinTotal(question: Question): readonly Finding[] {
  const { policy, totalUsage } = question.context;
  return [...policy.total].flatMap(([name, most]) => {
    const used = totalUsage.amounts.get(name) ?? 0n;
    return judge(question, { name, most, used, rule: "total" }, (asked) => {
      const bound = formatQuantity(most, name);
      return `asks for ${asked} of ${name}; the apps of all peers together may ask for ${bound} here, and that much is not left`;
    });
  });
}

interface Bound {
  readonly rule: "quota" | "total";
  readonly name: string;
  readonly most: Quantity;
  /** By others. */
  readonly used: Quantity;
}

function judge(question: Question, { rule, name, most, used }: Bound, tell: (asked: string) => string): Finding[] {
  if (isNoMoreThanNow(question, name)) return [];
  const { demand } = question;
  if (isUnsaid(demand, name)) {
    const message = `says nothing of ${name}, which is counted here; say it in resources.${name.replace(".", "[")}]`;
    return [{ rule: `${rule}/${name}`, field: fieldOf(name), message, allowed: formatQuantity(most, name) }];
  }
  const asked = demand.total.get(name) ?? 0n;
  if (asked === 0n || used + asked <= most) return [];
  const left = rule === "quota" && most > used ? most - used : 0n;
  return [
    {
      rule: `${rule}/${name}`,
      field: fieldOf(name),
      message: tell(formatQuantity(asked, name)),
      asked: formatQuantity(asked, name),
      allowed: formatQuantity(rule === "quota" ? left : most, name),
    },
  ];
}

/**
 * A change by which an app asks for no more than it has now does no harm, even where a bound has become smaller than what
 * is used: above all it must be possible to ask for less. What runs on as it is, is measured by the bound.
 */
function isNoMoreThanNow({ demand, runningDemand, isUnchanged }: Question, name: string): boolean {
  if (!runningDemand || isUnchanged || isUnsaid(demand, name) !== isUnsaid(runningDemand, name)) return false;
  if (isUnsaid(demand, name)) return demand.replicas <= runningDemand.replicas;
  return (demand.total.get(name) ?? 0n) <= (runningDemand.total.get(name) ?? 0n);
}

/** As in a ResourceQuota: where it counts what a pod has of its node, each pod must say it, or it could have any amount. */
function isUnsaid(
  demand: { readonly pod: { readonly requests: Amounts; readonly limits: Amounts } },
  name: string,
): boolean {
  const [part, resource] = partsOf(name);
  return part !== undefined && podResources.includes(resource) && !demand.pod[part].has(resource);
}

function partsOf(name: string): ["requests" | "limits" | undefined, string] {
  if (name.startsWith("requests.")) return ["requests", name.slice("requests.".length)];
  if (name.startsWith("limits.")) return ["limits", name.slice("limits.".length)];
  return [undefined, name];
}

function fieldOf(name: string): string {
  const [part, resource] = partsOf(name);
  if (name === "pods") return "replicas";
  return part === undefined || resource === "storage" ? "" : `resources.${part}[${resource}]`;
}
