/** The way to what Forwards of this cluster offer to a peer: a Service in the Forward's own namespace, for as long as it is offered. */
import { type ReverseTarget, type ServiceTarget, targetText } from "../../wire/target-text.ts";
import type { Permission } from "../hosted-app.ts";
import { refusalOf } from "../refusal.ts";
import { createServiceWay, type ServiceWayDeps } from "../service-way.ts";
import type { Way } from "../way.ts";

/** What of it is offered to the peer of this name; undefined for nothing. */
export type FindOffered = (peer: string | undefined, target: ReverseTarget) => ServiceTarget | undefined;

const notOffered = "That is not offered to you, or no more.";

export function createReverseWay(deps: ServiceWayDeps & { readonly findOffered: FindOffered }): Way<ReverseTarget> {
  const services = createServiceWay(deps);
  return {
    async find(caller, target, signal) {
      const service = deps.findOffered(caller.peer, target);
      if (!service) return { ok: false, refusal: { ...refusalOf["not-found"], message: notOffered } };
      const found = await services.find(caller, service, signal);
      return found.ok ? { ...found, target: { ...target, service } } : found;
    },
  };
}

/**
 * The offer is what lets its peer in, for as long as it stands; nobody else, and to nothing else. `offered` is what it leads to now: who was
 * let in to something else by it is not any more.
 */
export function permitOffered({ service }: ReverseTarget, offered: ServiceTarget | undefined): Permission {
  if (offered && (!service || targetText(service) === targetText(offered))) return { allowed: true };
  return { allowed: false, rule: "forwards/reverse", message: notOffered };
}
