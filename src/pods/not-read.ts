/** Why a log is not read, in words for the peer who asked for it. Pure. */
import { Code, ConnectError } from "@connectrpc/connect";
import { errorText } from "../base/error-text.ts";
import { isNotFound, KubeError } from "../kube/errors.ts";

/** The agent itself has not the right to it, so that nothing of its own doing helps. */
export function isRefused(error: unknown): boolean {
  return error instanceof KubeError && error.status === 403;
}

/** Who reads is in another cluster: a right that is missing is named with where it is and who can give it. */
export function whyUnreadable(namespace: string, error: unknown): string {
  if (!isRefused(error)) return errorText(error);
  return (
    `The agent there may not read the logs of pods: it lacks the right "get" of "pods/log" in the namespace ${namespace} ` +
    "of its cluster. Whoever administers that cluster can give it; it is in the ClusterRole for peers' namespaces that " +
    "Fairlead's chart makes."
  );
}

/** For a log of which nothing else could be read either. */
export function unreadable(namespace: string, error: unknown): ConnectError {
  const code = isNotFound(error) ? Code.NotFound : Code.FailedPrecondition;
  return new ConnectError(whyUnreadable(namespace, error), code);
}

export function noSuchPod(): ConnectError {
  return new ConnectError("The app has no pod of this name.", Code.NotFound);
}

export function noSuchContainer(name: string, there: readonly string[]): ConnectError {
  const known = [...new Set(there)].join(", ");
  return new ConnectError(`The app's pods have no container "${name}"; they have ${known}.`, Code.NotFound);
}
