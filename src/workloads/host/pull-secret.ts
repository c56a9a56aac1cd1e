/**
 * The Secret that an app's pods pull with what its origin brings along. It is not watched, and nothing of it is read: what
 * somebody does to it is undone when a pod waits for an image, and now and then.
 */
import type { Clock } from "../../base/clock.ts";
import type { KubeClient } from "../../kube/client.ts";
import { type Pod, secrets, type Workload } from "../../kube/resources.ts";
import { pullSecretFor } from "./manifests.ts";
import type { Plan } from "./plan.ts";
import { pullSecretName } from "./pulled-images.ts";
import type { Room } from "./room.ts";

/** In this process' life: the content that was applied, and when, on the monotonic clock; or that there is none any more. */
export type PullSecretMade = { readonly config: string; readonly at: number } | "gone";

/** So long one that was applied is taken for what it was, and as long as this while a pod waits for an image. Milliseconds. */
const lastsMs = 600_000;
const lastsInNeedMs = 10_000;

/** To be called before pods are made. Gives what is to be remembered. */
export async function keepPullSecret(
  { client, clock }: { client: Pick<KubeClient, "apply" | "delete">; clock: Clock },
  { workload, plan, room }: { workload: Workload; plan: Plan; room: Pick<Room, "podsOf"> },
  before: PullSecretMade | undefined,
  signal: AbortSignal,
): Promise<PullSecretMade | undefined> {
  const secret = pullSecretFor(workload, plan);
  const pods = room.podsOf(workload.metadata.name ?? "");
  if (!secret || !plan.images) {
    const name = pullSecretName(workload);
    const hadOne =
      before !== undefined || pods.some(({ spec }) => spec?.imagePullSecrets?.some((one) => one.name === name));
    if (before === "gone" || !hadOne) return before;
    const { namespace = "" } = workload.metadata;
    await client.delete(secrets, { namespace, name }, {}, signal);
    return "gone";
  }
  const config = plan.images.config.reveal();
  const bound = pods.some(waitsForImage) ? lastsInNeedMs : lastsMs;
  if (typeof before === "object" && before.config === config && clock.monotonic() - before.at < bound) return before;
  await client.apply(secrets, secret, { force: true }, signal);
  return { config, at: clock.monotonic() };
}

function waitsForImage({ status }: Pod): boolean {
  const containers = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  return containers.some(({ state }) => /^(ErrImagePull|ImagePullBackOff)$/.test(state?.waiting?.reason ?? ""));
}
