/** UDP to Services. Only in the cluster: what forwards ports of pods from outside, the API server, knows TCP alone. */
import { lookup } from "node:dns/promises";
import { abortable } from "../base/abort.ts";
import type { DatagramPipe } from "../base/datagram-pipe.ts";
import { connectUdp } from "../base/udp-socket.ts";
import { fromTransport, KubeError } from "./errors.ts";
import type { ObjectRef } from "./object.ts";

/** Speaks UDP with a port of a Service that the agent itself has made. Throws a `KubeError`: NoDatagrams beside a cluster. */
export type DialServiceDatagrams = (ref: ObjectRef, port: number, signal: AbortSignal) => Promise<DatagramPipe>;

export function createDialServiceDatagrams(deps: { readonly inCluster: boolean }): DialServiceDatagrams {
  return async ({ namespace, name }, port, signal) => {
    if (!deps.inCluster) throw noDatagrams();
    const server = `${name}.${namespace}.svc`;
    try {
      const { address } = await abortable(lookup(server), signal);
      return await connectUdp(address, port, signal);
    } catch (error) {
      throw signal.aborted ? signal.reason : fromTransport({ what: `connect to ${server}:${port}`, server }, error);
    }
  };
}

export function noDatagrams(): KubeError {
  const message = "The API server forwards TCP only, so that no UDP is reached from beside the cluster.";
  return new KubeError({ status: 0, reason: "NoDatagrams", message });
}
