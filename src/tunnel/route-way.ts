/** The way to hosts of routes into this cluster that the policy offers: to the Service that they lead to, as if it were named. */
import { abortable, startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { mapLimited } from "../base/map-limited.ts";
import { isNotFound, KubeError } from "../kube/errors.ts";
import type { ListRoutes } from "../kube/route-list.ts";
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import { routeRulesFor } from "../policy/reach.ts";
import { Reason } from "../wire/reason.ts";
import type { RouteTarget } from "../wire/target-text.ts";
import { connectService } from "./connect-service.ts";
import { type Refusal, refusalOf } from "./refusal.ts";
import { chooseRoute, type RouteWay } from "./route-choice.ts";
import type { ServiceFinder } from "./service-way.ts";
import type { Way } from "./way.ts";

export interface RouteWayDeps {
  listRoutes: ListRoutes;
  findService: ServiceFinder;
  policyOf(fingerprint: string): EffectivePolicy | undefined;
  clock: Clock;
  /** To look it up, and as long again to connect, in milliseconds; 10,000 unless given. */
  connectTimeoutMs?: number;
}

/** Namespaces that are looked at together. */
const atOnce = 8;

export function createRouteWay(deps: RouteWayDeps): Way<RouteTarget> {
  const { clock, connectTimeoutMs: timeoutMs = 10_000 } = deps;

  async function look(namespaces: readonly string[], target: RouteTarget, signal: AbortSignal) {
    const lists = await mapLimited(namespaces, atOnce, (namespace) => deps.listRoutes(namespace, signal));
    const choice = chooseRoute(
      lists.flatMap(({ entries }) => entries),
      target.host,
    );
    if (!choice.ok) return choice.why === "none" ? noRoute(target) : divided(target, choice.message);
    const found = await Promise.all(choice.ways.map((way) => findAt(way, signal)));
    const ports = found.flatMap((one) => one ?? []);
    const meant = ports.filter(({ port }) => target.port === undefined || target.port === port);
    const [one, ...others] = meant;
    if (!one) return noPort(target, ports);
    return others.length === 0 ? one : divided(target, `has the ports ${listed(meant)}, so one has to be said`);
  }

  /** Undefined when the route leads to a Service, or a port of one, that is not there. */
  async function findAt({ namespace, service, port }: RouteWay, signal: AbortSignal) {
    try {
      const found = await deps.findService({ namespace, name: service }, port, signal);
      return { namespace, ...found, dial: (stop: AbortSignal) => found.dial(stop) };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  return {
    async find({ fingerprint }, target, signal) {
      const rules = routeRulesFor(deps.policyOf(fingerprint)?.tunnels.routes ?? [], target.host);
      const namespaces = [...new Set(rules.flatMap((rule) => rule.namespaces))];
      const tooLate = () => new KubeError({ status: 0, reason: "TimedOut", message: "The API server did not answer." });
      const deadline = startDeadline(clock, timeoutMs, tooLate, signal);
      try {
        const found = await abortable(look(namespaces, target, deadline.signal), deadline.signal);
        if ("refusal" in found) return { ok: false, ...found };
        const { namespace, port } = found;
        const to = { dial: found.dial, what: "Service", port };
        return {
          ok: true,
          target: { ...target, port, namespace },
          opening: { connect: (stop) => connectService({ ...to, clock, timeoutMs }, stop) },
        };
      } catch (error) {
        return { ok: false, refusal: explain(error, target) };
      } finally {
        deadline.cancel();
      }
    },
  };
}

interface FoundPort {
  readonly port: number;
}

interface Refused {
  readonly refusal: Refusal;
}

function noRoute({ host }: RouteTarget): Refused {
  return { refusal: { ...refusalOf["not-found"], message: `No route here has the host ${host}.` } };
}

function noPort({ host, port }: RouteTarget, ports: readonly FoundPort[]): Refused {
  const message =
    ports.length === 0
      ? `The host ${host} leads to no Service that is here, with a TCP port of its own that leads into the cluster.`
      : `The host ${host} does not lead to port ${port}, but to ${listed(ports)}; ports are those of the Service behind it.`;
  return { refusal: { ...refusalOf["not-found"], message } };
}

function divided({ host }: RouteTarget, message: string): Refused {
  return { refusal: { ...refusalOf.unsupported, rule: "target/divided", message: `The host ${host} ${message}.` } };
}

function listed(ports: readonly FoundPort[]): string {
  return ports.map(({ port }) => port).join(" and ");
}

/** What the caller may know, who may reach the host; not what the API server or the system say in their own words. */
function explain(error: unknown, { host }: RouteTarget): Refusal {
  if (error instanceof KubeError && (error.status === 401 || error.status === 403)) {
    const message = `The peer's agent lacks a right to read routes or Services in a namespace where ${host} may be, so it cannot reach it; whoever runs it can grant that (docs/rbac.md, "Where peers reach Services").`;
    return { reason: Reason.UNREACHABLE, message, verdict: "failed", rule: "rbac/routes" };
  }
  const message = `The peer's agent could not look up the host ${host}, since its cluster's API does not answer as it should.`;
  return { reason: Reason.UNREACHABLE, message, verdict: "failed" };
}
