/** Finds the container that is meant and starts a program in it; why that fails, in words for the peer who asked. */
import { Code, ConnectError } from "@connectrpc/connect";
import { errorText } from "../base/error-text.ts";
import type { KubeClient } from "../kube/client.ts";
import { KubeError } from "../kube/errors.ts";
import type { ExecOptions, RunningProgram } from "../kube/exec.ts";
import type { PodAccess } from "../kube/pods.ts";
import { pods } from "../kube/resources.ts";
import { chooseContainer, type Wanted } from "./choose-container.ts";
import type { PodApp } from "./uses.ts";

export interface StartProgramDeps {
  readonly client: Pick<KubeClient, "list">;
  readonly exec: PodAccess["exec"];
}

export interface StartedProgram {
  readonly pod: string;
  readonly container: string;
  readonly program: RunningProgram;
}

/** Throws a ConnectError: NotFound for a pod or container that is not there, FailedPrecondition for one that does not run. */
export async function startProgram(
  deps: StartProgramDeps,
  app: PodApp,
  wanted: Wanted,
  options: Omit<ExecOptions, "container">,
  signal: AbortSignal,
): Promise<StartedProgram> {
  const { namespace } = app;
  const labelSelector = Object.entries(app.selector)
    .map(([label, value]) => `${label}=${value}`)
    .join(",");
  try {
    const { items } = await deps.client.list(pods, { namespace, labelSelector }, signal);
    const chosen = chooseContainer(items, wanted);
    if (!chosen.ok) {
      throw new ConnectError(chosen.message, chosen.reason === "not-found" ? Code.NotFound : Code.FailedPrecondition);
    }
    const { pod, container } = chosen;
    const program = await deps.exec({ namespace, name: pod }, { ...options, container }, signal);
    return { pod, container, program };
  } catch (error) {
    signal.throwIfAborted();
    throw whyNot(namespace, error);
  }
}

/** What a program, or the way to it, failed with. Nothing of the host's addresses. */
export function whyNot(namespace: string, error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (!(error instanceof KubeError)) return new ConnectError(errorText(error), Code.Internal);
  if (error.status === 403) {
    const message =
      `The agent there may not run programs in pods: it lacks the rights "create" and "get" of "pods/exec" in the namespace ${namespace} ` +
      "of its cluster. Whoever administers that cluster can give them; they are in the ClusterRole for peers' namespaces that " +
      "Fairlead's chart makes.";
    return new ConnectError(message, Code.FailedPrecondition, undefined, undefined, error);
  }
  if (error.status === 404) return new ConnectError("The pod is gone.", Code.NotFound, undefined, undefined, error);
  if (error.reason === "Unsupported") {
    return new ConnectError(error.message, Code.FailedPrecondition, undefined, undefined, error);
  }
  const message =
    error.reason === "Cut"
      ? "The connection to the program broke inside the peer's cluster: its container or node may be gone."
      : `The peer's cluster did not run it: ${error.message}`;
  return new ConnectError(message, Code.Unavailable, undefined, undefined, error);
}
