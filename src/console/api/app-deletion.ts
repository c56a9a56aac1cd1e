/** How a RemoteApp goes: with what runs, or leaving that behind. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { KubeClient } from "../../kube/client.ts";
import { remoteApps } from "../../kube/resources.ts";
import { annotations, holdingOf, isKept } from "../../workloads/origin/holding.ts";
import { leaseOf } from "../../workloads/origin/wishes.ts";
import { type AppRef, noSuchApp } from "./app-changes.ts";

export interface Deletion {
  /** By which hosts know the app. */
  readonly uid: string;
  readonly peers: string[];
  readonly kept: boolean;
}

/**
 * Asks for it. What was said on the RemoteApp counts unless `keep` says otherwise, and is written there before: whoever carries it
 * out reads it from there.
 */
export async function deleteApp(
  kube: Pick<KubeClient, "get" | "mergePatch" | "delete">,
  ref: AppRef,
  { keep, dryRun }: { readonly keep: boolean | undefined; readonly dryRun: boolean },
  signal: AbortSignal,
): Promise<Deletion> {
  const app = await kube.get(remoteApps, ref, signal);
  if (!app) throw noSuchApp(ref);
  const kept = keep ?? isKept(app);
  if (kept && (leaseOf(app) > 0 || Object.keys(holdingOf(app).leases).length > 0)) {
    const message = `${ref.name} cannot be kept: its peers end it by themselves when they hear nothing from here. Set spec.placement.move to Gone first, and wait until it is Ready`;
    throw new ConnectError(message, Code.FailedPrecondition);
  }
  const { uid = "" } = app.metadata;
  if (kept !== isKept(app)) {
    const mark = { [annotations.onDelete]: kept ? "keep" : null };
    await kube.mergePatch(remoteApps, ref, { metadata: { uid, annotations: mark } }, signal, { dryRun });
  }
  await kube.delete(remoteApps, ref, { uid, dryRun }, signal);
  return { uid, peers: [...holdingOf(app).peers], kept };
}
