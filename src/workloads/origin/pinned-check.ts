/** Asks a peer about a spec as it would go there: with the digests of the images that come through this agent. */
import { create, fromJsonString } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { type CheckResponse, CheckResponseSchema, WorkloadService } from "../../gen/fairlead/peer/v1/workload_pb.ts";
import { RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { isJsonObject } from "../../kube/object.ts";
import type { RemoteApp } from "../../kube/resources.ts";
import { digestOf, imagesOf, isPulledThrough, pinSpec } from "../../policy/pinned-images.ts";
import type { Trouble } from "./shared-content.ts";
import { pinnedOf } from "./wishes.ts";

/** What an image stands for now: its digest, or why it cannot be had for that peer. */
export type ResolveImage = (image: string, peer: string, signal: AbortSignal) => Promise<string | Trouble>;

/** `find` gives the RemoteApp with a UID. */
export function createCheck(deps: {
  find(uid: string): RemoteApp | undefined;
  resolveImage?: ResolveImage;
  transport(peer: string): Transport;
}) {
  return async (peer: string, spec: string, uid = "", signal: AbortSignal): Promise<CheckResponse> => {
    const { resolveImage: resolve } = deps;
    const app = uid === "" ? undefined : deps.find(uid);
    const pinned = resolve ? await pinForCheck(spec, { app, peer, resolve }, signal) : spec;
    if (typeof pinned !== "string") return create(CheckResponseSchema, { ...pinned });
    return createClient(WorkloadService, deps.transport(peer)).check({ spec: pinned, uid }, { signal });
  };
}

/**
 * `spec` is JSON text, and `app` the RemoteApp that it is to be the spec of, whose digests count as long as it is not restarted. What is
 * no spec comes back as it is: the peer says what is wrong with it.
 */
async function pinForCheck(
  spec: string,
  o: { app: RemoteApp | undefined; peer: string; resolve: ResolveImage },
  signal: AbortSignal,
): Promise<string | Trouble> {
  const read = parse(spec);
  if (!read || !isPulledThrough(read)) return spec;
  const { restartedAt = "" } = read;
  const known = o.app && pinnedOf(o.app);
  const digests: Record<string, string> = {};
  for (const image of imagesOf(read)) {
    const digest = known && digestOf(image, restartedAt, known);
    const found = digest ?? (image.includes("@") ? "" : await o.resolve(image, o.peer, signal));
    if (typeof found !== "string") return found;
    if (found !== "") digests[image] = found;
  }
  const json: unknown = JSON.parse(spec);
  const pinned = isJsonObject(json) ? pinSpec(json, { restartedAt, digests }) : undefined;
  return pinned ? JSON.stringify(pinned) : spec;
}

function parse(spec: string) {
  try {
    return fromJsonString(RemoteAppSpecSchema, spec, { ignoreUnknownFields: true });
  } catch {
    return undefined;
  }
}
