/** The API server and the credentials that Kubernetes gives to each pod. */
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Endpoint } from "./requests.ts";

/** Where the kubelet puts them. */
const serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The kubelet replaces the token long before it expires, so one this old, in milliseconds, is read again. */
const tokenAgeMs = 60_000;

/** The pod's own namespace beside how to reach the API server; undefined when this does not run in a pod that has a service account. */
export function readServiceAccount(o: {
  clock: Clock;
  env: Record<string, string | undefined>;
  folder?: string;
}): { endpoint: Endpoint; namespace: string } | undefined {
  const folder = o.folder ?? serviceAccountFolder;
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = o.env;
  if (!host || !port || !existsSync(join(folder, "token"))) return undefined;
  const ca = readFileSync(join(folder, "ca.crt"));
  const namespace = readFileSync(join(folder, "namespace"), "utf8").trim();
  let token = "";
  let readAt = Number.NEGATIVE_INFINITY;
  return {
    namespace,
    endpoint: {
      server: new URL(`https://${host.includes(":") ? `[${host}]` : host}:${port}`),
      async options() {
        if (o.clock.monotonic() - readAt > tokenAgeMs) {
          token = (await readFile(join(folder, "token"), "utf8")).trim();
          readAt = o.clock.monotonic();
        }
        return { ca, headers: { authorization: `Bearer ${token}` } };
      },
    },
  };
}
