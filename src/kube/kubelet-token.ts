/** Tokens that are shown to kubelets: of a ServiceAccount that can read kubelets and do nothing else, and of a few minutes. */
import type { Clock } from "../base/clock.ts";
import { KubeError } from "./errors.ts";
import { createFresh } from "./fresh.ts";
import { isJsonObject } from "./object.ts";
import type { Requests } from "./requests.ts";

/** The shortest that an API server gives. Each is used for half of that, so that clocks may differ. */
const lastsSeconds = 600;
const usedMs = 300_000;

/** Rejects with a `KubeError`. */
export type KubeletToken = (signal: AbortSignal) => Promise<string>;

export function createKubeletToken(deps: {
  readonly requests: Pick<Requests, "json">;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly clock: Clock;
}): KubeletToken {
  const { requests, namespace, serviceAccount, clock } = deps;
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(serviceAccount)}/token`;
  const body = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: lastsSeconds },
  };
  const fresh = createFresh({
    clock,
    freshMs: usedMs,
    timeoutMs: 10_000,
    most: 1,
    async look(_one, signal) {
      const what = `get a token of the ServiceAccount ${namespace}/${serviceAccount}`;
      const answer = await requests.json({ method: "POST", path, body, what }, signal);
      const status = isJsonObject(answer) ? answer.status : undefined;
      const token = isJsonObject(status) ? status.token : undefined;
      if (typeof token === "string" && token !== "") return token;
      throw new KubeError({ status: 0, reason: "Garbled", message: `Could not ${what}: the answer has none.` });
    },
  });
  return (signal) => fresh("", signal);
}
