/** A sandbox that `cluster.ts` runs, as its process has told of it. */
import type { Cluster } from "../../test/e2e/clusters.ts";

export interface Told {
  readonly kubeconfig: string;
  readonly url: string;
  readonly token: string;
}

/** As much of a cluster as starting an agent beside it takes. */
export function clusterOf(name: "a" | "b", { kubeconfig }: Told): Cluster {
  const none = (): never => {
    throw new Error("there is no kubectl in this benchmark");
  };
  return { name, kubeconfig, kubectl: none, get: none, apiServer: undefined };
}
