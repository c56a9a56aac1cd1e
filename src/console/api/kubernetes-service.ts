/** `KubernetesService`: how kubectl finds the API of a peer, and tokens for it. */
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { KubernetesService } from "../../gen/fairlead/console/v1/kubernetes_service_pb.ts";
import type { DoorTokens } from "../auth/door-token.ts";
import { principalKey } from "../auth/principal.ts";
import type { ServedCertificate } from "../tls/served-certificate.ts";
import { kubeconfigText } from "./kubeconfig.ts";

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
  const mint = ({ values }: HandlerContext, peer: string, lifetimeMs: number | undefined) => {
    const principal = values.get(principalKey);
    if (!principal) throw new ConnectError("nobody is signed in", Code.Unauthenticated);
    const { token, expires } = deps.tokens.mint(principal, peer, lifetimeMs);
    return { token: token.reveal(), expires: new Date(expires).toISOString() };
  };
  /** Over TLS, without a slash at its end. */
  const reachedAt = (given: string, { url }: HandlerContext): string => {
    const { protocol, origin } = new URL(url);
    const text = given || deps.consoleUrl || (protocol === "https:" ? origin : "");
    const found = URL.parse(text);
    if (found?.protocol === "https:") return found.href.replace(/\/$/, "");
    const message =
      text === ""
        ? "it is not known where programs reach the console over TLS: say it in console_url, or set console.url in the agent's configuration"
        : `${text} is no https URL`;
    throw new ConnectError(message, Code.InvalidArgument);
  };
  return {
    getKubernetesDoor({ peer }) {
      check(peer);
      const { caPem = "", serverName = "" } = deps.certificate;
      return { consoleUrl: deps.consoleUrl ?? "", path: doorPath(peer), caPem, serverName };
    },
    createKubernetesToken({ peer, lifetimeSeconds }, context) {
      check(peer);
      return mint(context, peer, Number(lifetimeSeconds) * 1000 || undefined);
    },
    getKubeconfig(request, context) {
      const { peer, user, trust } = request;
      check(peer);
      const consoleUrl = reachedAt(request.consoleUrl, context);
      const token = user.case === "tokenLifetimeSeconds" ? mint(context, peer, Number(user.value) * 1000) : undefined;
      const own = trust.case === undefined ? deps.certificate : undefined;
      const kubeconfig = kubeconfigText({
        name: request.context || peer,
        server: consoleUrl + doorPath(peer),
        caPem: trust.case === "caPem" ? trust.value : (own?.caPem ?? ""),
        serverName: own?.serverName ?? "",
        user: token ?? (user.case === "command" ? user.value : usualCommand(peer, consoleUrl)),
      });
      return { kubeconfig, expiresAt: token?.expires ?? "" };
    },
  };
}

function doorPath(peer: string): string {
  return `/peers/${peer}/kubernetes`;
}

function usualCommand(peer: string, server: string) {
  return { command: "fairlead", args: ["kube-token", peer, "--server", server] };
}
