/** A kubeconfig of one context, as kubectl reads it. Pure. */
import { stringify } from "yaml";

export interface Kubeconfig {
  /** Of the context, and of its cluster and user. */
  readonly name: string;
  readonly server: string;
  /** PEM; empty where the machine's own roots will do. */
  readonly caPem: string;
  /** The name in the certificate, where it is not that of the server's address. */
  readonly serverName: string;
  /** What prints tokens, or a token that counts for a while. */
  readonly user: { readonly command: string; readonly args: readonly string[] } | { readonly token: string };
}

/** YAML. */
export function kubeconfigText({ name, server, caPem, serverName, user }: Kubeconfig): string {
  const cluster = {
    server,
    ...(caPem !== "" && { "certificate-authority-data": Buffer.from(caPem).toString("base64") }),
    ...(serverName !== "" && { "tls-server-name": serverName }),
  };
  const file = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name, user: userOf(user) }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  };
  return stringify(file, { lineWidth: 0 });
}

function userOf(user: Kubeconfig["user"]): object {
  if ("token" in user) return { token: user.token };
  return {
    exec: {
      apiVersion: "client.authentication.k8s.io/v1",
      command: user.command,
      args: [...user.args],
      installHint: "The fairlead command must be on the PATH.",
      interactiveMode: "Never",
      provideClusterInfo: false,
    },
  };
}
