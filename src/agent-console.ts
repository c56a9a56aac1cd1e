/** The console's port, as it is configured: its certificate, and its address. */
import { isIPv6 } from "node:net";
import type { Clock } from "./base/clock.ts";
import type { Log } from "./base/log.ts";
import type { Config } from "./config.ts";
import { givenCertificate, ownCertificate, type ServedCertificate } from "./console/tls/served-certificate.ts";
import type { Identity } from "./identity/identity.ts";

/** Rejects when a certificate is given that cannot be used. */
export async function consoleCertificate(deps: {
  readonly config: Config;
  readonly identity: Pick<Identity, "serverLeaf" | "caPem">;
  /** The agent's own. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<ServedCertificate> {
  const { identity, namespace, clock, log } = deps;
  const { config } = deps;
  const certFile = config.console.certFile;
  const keyFile = config.console.keyFile;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new Error("console.certFile and console.keyFile go together: a certificate is of no use without its key.");
  }
  const service = `fairlead.${namespace}.svc`;
  const domain = config.console.domain;
  // Nobody takes a wildcard just below a top-level domain, as *.localhost would be.
  const names = ["localhost", "127.0.0.1", "::1", domain, ...(domain.includes(".") ? [`*.${domain}`] : [])];
  names.push("fairlead", `fairlead.${namespace}`, service, `${service}.cluster.local`);
  if (config.console.url !== undefined) names.push(new URL(config.console.url).hostname);
  const { caPem } = identity;
  const own = ownCertificate({ issue: (...asked) => identity.serverLeaf(...asked), caPem, clock }, names);
  if (certFile === undefined || keyFile === undefined) return own;
  return givenCertificate({ certFile, keyFile, own, clock, log });
}

/** Where it is reached from this machine, over TLS. */
export function localUrl(host: string, port: number): string {
  if (host === "0.0.0.0") return `https://127.0.0.1:${port}`;
  if (host === "::") return `https://[::1]:${port}`;
  return `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
