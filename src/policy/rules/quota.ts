/** Rules about how much there may be of everything together. */

import type { Demand } from "../demand.ts";
import { formatQuantity, type Quantity } from "../quantity.ts";
import { isWithoutEnd, partsOf, silentAbout } from "./counted.ts";
import type { Finding, Question } from "./question.ts";

export function areReplicasFew({ demand, context: { policy } }: Question): readonly Finding[] {
  const { maxReplicas } = policy;
  const { pods, podsField } = demand;
  if (maxReplicas === undefined || pods <= maxReplicas) return [];
  const message = `an app may have at most ${maxReplicas} replicas here, and this one asks for ${pods}`;
  return [{ rule: "replicas/max", field: podsField, message, asked: String(pods), allowed: String(maxReplicas) }];
}

/** What has no end can be within no bound. */
export function areJobsBounded({ demand, context: { policy } }: Question): readonly Finding[] {
  const names = [...policy.quota.keys(), ...policy.total.keys()].filter((name) => isWithoutEnd(demand, name));
  if (policy.maxReplicas !== undefined && isWithoutEnd(demand, "pods")) names.unshift("replicas");
  const [first] = names;
  if (first === undefined) return [];
  const message = `${first} of an app have a bound here, and the Jobs of this one may overlap, any number of them; say concurrencyPolicy Forbid or Replace`;
  return [
    {
      rule: "jobs/overlap",
      field: "cronJob.concurrencyPolicy",
      message,
      asked: "Allow",
      allowed: "Forbid, Replace",
    },
  ];
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
  const silent = silentAbout(demand, name);
  if (silent) {
    const { part, resource } = partsOf(name);
    const field = `${silent.path}resources.${part}[${resource}]`;
    const message = `says nothing of ${name}, which is counted here; say it in ${field}`;
    return [{ rule: `${rule}/${name}`, field, message, allowed: formatQuantity(most, name) }];
  }
  const asked = demand.total.get(name) ?? 0n;
  if (asked === 0n || used + asked <= most) return [];
  const left = rule === "quota" && most > used ? most - used : 0n;
  return [
    {
      rule: `${rule}/${name}`,
      field: fieldOf(demand, name),
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
  if (!runningDemand || isUnchanged || isWithoutEnd(demand, name)) return false;
  const isSilent = silentAbout(demand, name) !== undefined;
  if (isSilent !== (silentAbout(runningDemand, name) !== undefined)) return false;
  // Of what is not said there may be any amount in each such container.
  if (isSilent) return demand.pods * silentOf(demand, name) <= runningDemand.pods * silentOf(runningDemand, name);
  return (demand.total.get(name) ?? 0n) <= (runningDemand.total.get(name) ?? 0n);
}

function silentOf(demand: Demand, name: string): number {
  const { part, resource } = partsOf(name);
  return part === undefined ? 0 : demand.containers.filter((container) => !container[part].has(resource)).length;
}

/** Where the app can say less: of a sum over several containers that is no one place. */
function fieldOf({ containers, podsField }: Demand, name: string): string {
  const { part, resource } = partsOf(name);
  if (name === "pods") return podsField;
  if (part === undefined) return name === "requests.storage" || name === "persistentvolumeclaims" ? "claims" : "";
  const [first, ...others] = containers.filter((container) => container[part].has(resource));
  return first && others.length === 0 ? `${first.path}resources.${part}[${resource}]` : "";
}
