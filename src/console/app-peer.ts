/** At which peer an app's pods are, for somebody who names the peer or the pod, or neither. Pure. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { RemoteApp } from "../kube/resources.ts";

/** The peers that run it now, or are to. */
function peersOf({ spec, status }: RemoteApp): string[] {
  const reported = (status?.peers ?? []).flatMap(({ peer }) => peer ?? []);
  if (reported.length > 0) return reported;
  return [spec.peer ?? status?.peer ?? ""].filter((name) => name !== "");
}

/** Throws a ConnectError that says what to name. */
export function choosePeer(app: RemoteApp, wanted: { peer?: string | undefined; pod?: string | undefined }): string {
  const name = `${app.metadata.namespace}/${app.metadata.name}`;
  const peers = peersOf(app);
  if (wanted.peer) {
    if (peers.includes(wanted.peer)) return wanted.peer;
    const where = peers.length > 0 ? `it runs at ${peers.join(", ")}` : "it runs nowhere yet";
    throw new ConnectError(`${name} does not run at ${wanted.peer}; ${where}`, Code.NotFound);
  }
  const [only, ...others] = peers;
  if (only === undefined) throw new ConnectError(`${name} runs nowhere yet`, Code.FailedPrecondition);
  if (others.length === 0) return only;
  const pods = app.status?.pods ?? [];
  const itsPeer = wanted.pod && pods.find((pod) => pod.name === wanted.pod)?.peer;
  if (itsPeer) return itsPeer;
  // Any will do for who names none: one that answers.
  if (!wanted.pod) return pods.find((pod) => pod.ready && pod.peer && peers.includes(pod.peer))?.peer ?? only;
  const message = `${name} runs at ${peers.join(", ")}, and none of them has told of a pod ${wanted.pod}: name the peer too`;
  throw new ConnectError(message, Code.FailedPrecondition);
}
