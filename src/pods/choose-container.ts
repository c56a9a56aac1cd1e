/** Which container of an app's pods is meant by somebody who names it, or does not. Pure. */

import { isReady } from "../kube/pods.ts";
import type { Pod } from "../kube/resources.ts";
import { containerNames } from "./container.ts";

export interface Wanted {
  /** Empty: one that is ready, or at least runs. */
  readonly pod: string;
  /** Empty: the app's own. */
  readonly container: string;
}

export type ChosenContainer =
  | { readonly ok: true; readonly pod: string; readonly container: string }
  | { readonly ok: false; readonly reason: "not-found" | "not-running"; readonly message: string };

/** `pods` are the app's. A container that runs is chosen, and never one that ended. */
export function chooseContainer(pods: readonly Pod[], wanted: Wanted): ChosenContainer {
  const named = wanted.pod === "" ? pods : pods.filter(({ metadata }) => metadata.name === wanted.pod);
  if (named.length === 0) {
    if (wanted.pod === "") return { ok: false, reason: "not-running", message: "The app has no pods now." };
    const there = listOf(pods.map(({ metadata }) => metadata.name ?? ""));
    return { ok: false, reason: "not-found", message: `The app has no pod "${wanted.pod}"; it has ${there}.` };
  }
  const [first] = named;
  if (wanted.container !== "" && first && !containerNames(first).includes(wanted.container)) {
    const message = `The app's pods have no container "${wanted.container}"; they have ${listOf(containerNames(first))}.`;
    return { ok: false, reason: "not-found", message };
  }
  const running = named
    .map((pod) => ({ pod, container: wanted.container || (pod.spec?.containers[0]?.name ?? "") }))
    .filter(({ pod, container }) => runs(pod, container));
  const [best] = running.toSorted((a, b) => rank(a.pod) - rank(b.pod));
  if (best) return { ok: true, pod: best.pod.metadata.name ?? "", container: best.container };
  const message =
    wanted.pod === ""
      ? "None of the app's pods runs now; `fairlead app get` says why."
      : `The container does not run in pod ${wanted.pod} now; \`fairlead app get\` says why.`;
  return { ok: false, reason: "not-running", message };
}

/** A pod on its way out only when there is no other. */
function rank(pod: Pod): number {
  if (isReady(pod)) return 0;
  return pod.metadata.deletionTimestamp ? 2 : 1;
}

function runs(pod: Pod, container: string): boolean {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses].some(
    ({ name, state }) => name === container && state?.running !== undefined,
  );
}

function listOf(names: readonly string[]): string {
  return names.length > 0 ? names.join(", ") : "none";
}
