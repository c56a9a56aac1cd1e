/** What this cluster wishes at its peers, told from the RemoteApps alone. Pure but for a cache. */
import { toJson } from "@bufbuild/protobuf";
import { RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { hashWish } from "../../intent/hash.ts";
import type { Wish } from "../../intent/wish.ts";
import { isJsonObject } from "../../kube/object.ts";
import type { RemoteApp } from "../../kube/resources.ts";

/** Keeps a RemoteApp until its host has deleted what it ran. */
export const finalizer = "fairlead.dev/remoteapp";

export const annotations = {
  /** The peer that may hold the app. Written before the first wish goes there, removed after the host said that it is gone. */
  heldBy: "fairlead.dev/held-by",
  /** The UID of an orphan at the peer that this RemoteApp takes over. */
  adopts: "fairlead.dev/adopts",
} as const;

export function heldBy(app: RemoteApp): string | undefined {
  return hasFinalizer(app) ? app.metadata.annotations?.[annotations.heldBy] : undefined;
}

export function hasFinalizer(app: RemoteApp): boolean {
  return app.metadata.finalizers?.includes(finalizer) ?? false;
}

/** Whether the peer that holds the app is to delete it. */
export function isLeaving(app: RemoteApp): boolean {
  return app.metadata.deletionTimestamp !== undefined || heldBy(app) !== app.spec.peer;
}

/** What the peer that holds the app hears of it; undefined when this agent does not understand the whole spec. */
export function wishOf(app: RemoteApp): Wish | undefined {
  if (app.problems?.length) return undefined;
  const known = cache.get(app);
  if (known) return known;
  const wish = makeWish(app);
  cache.set(app, wish);
  return wish;
}

/** An object read from the API server never changes, so neither does its wish. */
const cache = new WeakMap<RemoteApp, Wish>();

function makeWish(app: RemoteApp): Wish {
  const { uid = "", generation = 0, namespace = "", name = "" } = app.metadata;
  const json = toJson(RemoteAppSpecSchema, app.spec);
  // Which peer it is goes without saying, and the host's name for itself is not ours. History is kept here.
  const ours = { peer: undefined, placement: undefined, revisionHistoryLimit: undefined };
  const spec = JSON.stringify(isJsonObject(json) ? { ...json, ...ours } : json);
  const adopts = app.metadata.annotations?.[annotations.adopts];
  const wish = { uid, generation, namespace, name, spec, hash: hashWish({ namespace, name, spec }) };
  return adopts ? { ...wish, adopts } : wish;
}
