/** `KubernetesService`: how kubectl finds the API of a peer, and tokens for it. */
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { KubernetesService } from "../../gen/fairlead/console/v1/kubernetes_service_pb.ts";
import type { DoorTokens } from "../auth/door-token.ts";
import { principalKey } from "../auth/principal.ts";
import type { ServedCertificate } from "../tls/served-certificate.ts";

export interface KubernetesServiceDeps {
  isPeer(name: string): boolean;
  readonly tokens: Pick<DoorTokens, "mint">;
  readonly certificate: Pick<ServedCertificate, "caPem" | "serverName">;
  /** The console's own, over TLS; undefined where nobody has said it. */
  readonly consoleUrl: string | undefined;
}

export function createKubernetesService(deps: KubernetesServiceDeps): ServiceImpl<typeof KubernetesService> {
  const check = (peer: string): void => {
    if (!deps.isPeer(peer)) throw new ConnectError(`there is no peer ${peer}`, Code.NotFound);
  };
  return {
    getKubernetesDoor({ peer }) {
      check(peer);
      const { caPem = "", serverName = "" } = deps.certificate;
      return { consoleUrl: deps.consoleUrl ?? "", path: `/peers/${peer}/kubernetes`, caPem, serverName };
    },
    createKubernetesToken({ peer, lifetimeSeconds }, context) {
      check(peer);
      const principal = context.values.get(principalKey);
      if (!principal) throw new ConnectError("nobody is signed in", Code.Unauthenticated);
      const lifetimeMs = Number(lifetimeSeconds) * 1000 || undefined;
      const { token, expires } = deps.tokens.mint(principal, peer, lifetimeMs);
      return { token: token.reveal(), expires: new Date(expires).toISOString() };
    },
  };
}
