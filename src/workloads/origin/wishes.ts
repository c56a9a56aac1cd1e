/** What this cluster wishes at its peers, told from the RemoteApps and what they refer to. Pure but for a cache. */
import { toJson } from "@bufbuild/protobuf";
import { RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { hashWish } from "../../intent/hash.ts";
import type { Attachment, Wish } from "../../intent/wish.ts";
import { isJsonObject, keyOf } from "../../kube/object.ts";
import type { RemoteApp } from "../../kube/resources.ts";
import {
  imageDigestsAnnotation,
  isPulledThrough,
  type PinnedImages,
  pinSpec,
  readPinned,
} from "../../policy/pinned-images.ts";
import type { ContentHash } from "../content-hash.ts";
import { annotations } from "./holding.ts";
import { attach, type Found, namesIn, type SharedName, type Trouble } from "./shared-content.ts";

/** For how many seconds a holder goes on without hearing from here; 0: for ever. */
export function leaseOf({ spec }: RemoteApp): number {
  const { move, unreachableSeconds = 300 } = spec.placement ?? {};
  return move === "Unreachable" ? unreachableSeconds : 0;
}

/** What is to be said of an app. With neither there is nothing to say now: something is not known yet, or not understood. */
export interface Word {
  readonly wish?: Wish;
  /** Why it is not sent: what its peer has of it goes on as it is. */
  readonly trouble?: Trouble;
}

/** What the peers that hold the app hear of it. */
export type WordOf = (app: RemoteApp) => Word;

export function createWords(deps: {
  find(name: SharedName): Found;
  hashContent: ContentHash;
  /** Why it is not known what an image of the app stands for that comes through this agent. */
  imageTrouble?(key: string): Trouble | undefined;
  /** Where the agent's own Secrets are. */
  agentNamespace: string;
}): WordOf {
  /** An object read from the API server never changes, so neither does what is made of the same ones. */
  const cache = new WeakMap<RemoteApp, { readonly of: readonly unknown[]; readonly word: Word }>();

  function wordFor(app: RemoteApp): Word {
    const attached = attach(app, deps);
    if (attached === undefined) return {};
    if ("reason" in attached) return { trouble: attached };
    const hashes = attached.map((one) => deps.hashContent(one));
    const wish = makeWish(app, attached, hashes.length > 0 ? hashes.join(" ") : undefined);
    return wish ? { wish } : { trouble: deps.imageTrouble?.(keyOf(app)) ?? lookingUp };
  }

  return (app) => {
    if (app.problems?.length) return {};
    const of: unknown[] = namesIn(app).map((name) => {
      const found = deps.find(name);
      return found.is === "there" ? found.object : found.is === "forbidden" ? found.message : found.is;
    });
    of.push(deps.imageTrouble?.(keyOf(app))?.message ?? "");
    const known = cache.get(app);
    if (known?.of.every((each, index) => each === of[index])) return known.word;
    const word = wordFor(app);
    cache.set(app, { of, word });
    return word;
  };
}

/** What the app's images stand for, where they come through this agent. */
export function pinnedOf(app: RemoteApp): PinnedImages {
  return readPinned(app.metadata.annotations?.[imageDigestsAnnotation]);
}

const lookingUp: Trouble = { reason: "ImageLookup", message: "This agent looks up what the image stands for." };

/** Undefined while it is not known what an image stands for. */
function makeWish(app: RemoteApp, attachments: readonly Attachment[], attached: string | undefined): Wish | undefined {
  const { uid = "", generation = 0, namespace = "", name = "" } = app.metadata;
  const json = toJson(RemoteAppSpecSchema, app.spec);
  // Which peer it is goes without saying, and the host's name for itself is not ours. History is kept here, and doors are.
  const ours = { peer: undefined, placement: undefined, revisionHistoryLimit: undefined, door: undefined };
  const whole = isJsonObject(json) ? { ...json, ...ours } : {};
  const pinned = isPulledThrough(app.spec) ? pinSpec(whole, pinnedOf(app)) : whole;
  if (!pinned) return undefined;
  const spec = JSON.stringify(pinned);
  const adopts = app.metadata.annotations?.[annotations.adopts];
  const leaseSeconds = leaseOf(app);
  const hash = hashWish({ namespace, name, spec, attached, leaseSeconds });
  return {
    ...{ uid, generation, namespace, name, spec, hash },
    ...(adopts ? { adopts } : {}),
    ...(attachments.length > 0 ? { attachments } : {}),
    ...(leaseSeconds > 0 ? { leaseSeconds } : {}),
  };
}
