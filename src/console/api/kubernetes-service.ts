/** `KubernetesService`: how kubectl finds the API of a peer, and tokens for it. */
import { X509Certificate } from "node:crypto";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  CreateKubeconfigRequestSchema,
  type KubernetesService,
} from "../../gen/fairlead/console/v1/kubernetes_service_pb.ts";
import type { DoorTokens } from "../auth/door-token.ts";
import { principalKey } from "../auth/principal.ts";
import type { ServedCertificate } from "../tls/served-certificate.ts";
import { brokenRule } from "./broken-rule.ts";
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
    if (text === "") {
      const message =
        "it is not known where programs reach the console over TLS: say it in console_url, or set console.url in the agent's configuration";
      throw new ConnectError(message, Code.FailedPrecondition);
    }
    const found = URL.parse(text);
    if (found?.protocol === "https:" && `${found.username}${found.password}${found.search}${found.hash}` === "") {
      return `${found.origin}${found.pathname}`.replace(/\/+$/, "");
    }
    const message = "it is no https URL, or one with a user, a query or a fragment";
    if (given === "") throw new ConnectError(`console.url: ${message}`, Code.FailedPrecondition);
    throw brokenRule(CreateKubeconfigRequestSchema, { path: "console_url", rule: "console_url.https", message });
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
    createKubeconfig(request, context) {
      const { peer, user, trust } = request;
      check(peer);
      const consoleUrl = reachedAt(request.consoleUrl, context);
      if (trust.case === "caPem") requireCertificates(trust.value);
      const token = user.case === "tokenLifetimeSeconds" ? mint(context, peer, Number(user.value) * 1000) : undefined;
      const own = trust.case === undefined ? deps.certificate : undefined;
      const kubeconfig = kubeconfigText({
        name: request.context || peer,
        server: consoleUrl + doorPath(peer),
        caPem: trust.case === "caPem" ? trust.value : (own?.caPem ?? ""),
        serverName: own?.serverName ?? "",
        user: token ?? (user.case === "exec" ? user.value : usualCommand(peer, consoleUrl)),
      });
      return { kubeconfig, expiresAt: token?.expires ?? "" };
    },
  };
}

/** Throws INVALID_ARGUMENT for what kubectl could trust nothing by. */
function requireCertificates(pem: string): void {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    for (const one of found) new X509Certificate(one);
    if (found.length > 0) return;
  } catch (cause) {
    throw noCertificates(cause);
  }
  throw noCertificates();
}

function noCertificates(cause?: unknown): ConnectError {
  const message = "it has to be certificates in PEM, and nothing but whole ones";
  return brokenRule(CreateKubeconfigRequestSchema, { path: "ca_pem", rule: "ca_pem.certificates", message, cause });
}

function doorPath(peer: string): string {
  return `/peers/${peer}/kubernetes`;
}

function usualCommand(peer: string, server: string) {
  return { command: "fairlead", args: ["kube-token", peer, "--server", server] };
}
