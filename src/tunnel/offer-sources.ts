/** What there is here of each kind of target, as far as the rules of a caller speak of it. */
import { mapLimited } from "../base/map-limited.ts";
import { KubeError } from "../kube/errors.ts";
import type { ListServices } from "../kube/service-list.ts";
import type { HostedApp } from "./hosted-app.ts";
import type { Offer, Offering, OfferSource } from "./offers.ts";

/** The ports of the caller's own apps. */
export function appOffers(
  listApps: (fingerprint: string) => readonly { namespace: string; name: string; app: HostedApp }[],
): OfferSource {
  return {
    kind: "app",
    list({ fingerprint }, rules) {
      if (!rules.apps) return nothing;
      const offers = listApps(fingerprint).flatMap(({ namespace, name, app }) =>
        app.ports.map(({ number, name: portName, appProtocol }): Offer => {
          const notReady = app.ready ? undefined : app.message || "The app is not ready.";
          const target = { kind: "app", namespace, name, port: number, ...spoken(appProtocol === "udp") } as const;
          return { target, portName, appProtocol, notReady };
        }),
      );
      return { offers, problems: [] };
    },
  };
}

/** Namespaces that are looked at together. */
const atOnce = 8;

/** Services of this cluster in the namespaces that the rules name. */
export function serviceOffers(listServices: ListServices): OfferSource {
  async function offersIn(namespace: string, signal: AbortSignal): Promise<Offering> {
    try {
      const { services, isCut } = await listServices(namespace, signal);
      const offers = services.flatMap(({ name, ports, ready }) =>
        ports.map(({ number, name: portName, appProtocol, protocol }): Offer => {
          const notReady = ready ? undefined : "Nothing behind the Service is ready.";
          const target = { kind: "service", namespace, name, port: number, ...spoken(protocol === "UDP") } as const;
          return { target, portName, appProtocol, notReady };
        }),
      );
      const cut = `The namespace ${namespace} has more Services than are looked at; the others can be reached all the same.`;
      return { offers, problems: isCut ? [cut] : [] };
    } catch (error) {
      signal.throwIfAborted();
      return { offers: [], problems: [whyNot(error, namespace)] };
    }
  }
  return {
    kind: "service",
    async list(_caller, { services }, signal) {
      const namespaces = [...new Set(services.map(({ namespace }) => namespace))];
      const offered = await mapLimited(namespaces, atOnce, (namespace) => offersIn(namespace, signal));
      return {
        offers: offered.flatMap(({ offers }) => offers),
        problems: offered.flatMap(({ problems }) => problems),
      };
    },
  };
}

/** What the caller may know, who may reach Services there; not the words of the API server. */
function whyNot(error: unknown, namespace: string): string {
  if (error instanceof KubeError && (error.status === 401 || error.status === 403)) {
    return `The peer's agent lacks the right to list Services or EndpointSlices in the namespace ${namespace}, so it does not say which there are; whoever runs it can grant that (docs/rbac.md, "Where peers reach Services").`;
  }
  return `The peer's agent could not list the Services of the namespace ${namespace}, since its cluster's API does not answer as it should.`;
}

/** Addresses that the rules list. */
export const addressOffers: OfferSource = {
  kind: "address",
  list(_caller, { addresses }) {
    const offers = addresses.flatMap(({ name, ports, protocol, appProtocol }) =>
      ports.map((port): Offer => {
        return { target: { kind: "address", name, port, ...spoken(protocol === "UDP") }, appProtocol };
      }),
    );
    return { offers, problems: [] };
  },
};

/** What is there once: the Kubernetes API, the agent's metrics. */
export function singleOffer(kind: "kubernetes" | "metrics"): OfferSource {
  return {
    kind,
    list: (_caller, rules) =>
      rules[kind] ? { offers: [{ target: { kind }, appProtocol: "http" }], problems: [] } : nothing,
  };
}

function spoken(isUdp: boolean): { network?: "udp" } {
  return isUdp ? { network: "udp" } : {};
}

const nothing: Offering = { offers: [], problems: [] };
