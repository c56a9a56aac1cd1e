/** kubectl of peers at the console: the door, the tokens for it, and the record of what is asked. */
import type { KeyObject } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { PeeringAudit } from "../peering/audit-entry.ts";
import { createStreamRecord } from "../peering/stream-record.ts";
import type { KubernetesServiceDeps } from "./api/kubernetes-service.ts";
import type { Authenticator } from "./auth/authenticator.ts";
import { createDoorTokens } from "./auth/door-token.ts";
import { createKubernetesPath } from "./doors/kubernetes-path.ts";
import type { ForwardDeps } from "./doors/pass-on.ts";
import type { PeerDoor } from "./doors/peers-path.ts";
import type { ServedCertificate } from "./tls/served-certificate.ts";

export interface KubernetesAccessDeps extends ForwardDeps {
  /** Of this agent alone. */
  readonly key: KeyObject;
  readonly certificate: ServedCertificate;
  readonly consoleUrl: string | undefined;
  readonly authenticator: Pick<Authenticator, "present">;
  isPeer(name: string): boolean;
  readonly audit: PeeringAudit;
  readonly clock: Clock;
}

export function createKubernetesAccess(deps: KubernetesAccessDeps): {
  readonly door: PeerDoor;
  readonly service: KubernetesServiceDeps;
} {
  const { key, authenticator, clock, audit, certificate, consoleUrl, isPeer } = deps;
  const tokens = createDoorTokens({ key, door: "kubernetes", authenticator, clock });
  const record = createStreamRecord({ audit, clock });
  const door = createKubernetesPath({
    ...deps,
    tokens,
    note({ peer, person, method, path, verdict, message }) {
      record.note(`${peer}/${person}`, {
        action: "kube.request",
        actor: { peer, person },
        target: `kubernetes${path}`,
        verdict,
        message: message === undefined ? method : `${method}: ${message}`,
      });
    },
  });
  return { door, service: { isPeer, tokens, certificate, consoleUrl } };
}
