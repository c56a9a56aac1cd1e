/** What there is to be done about an app's claims. */
import type { KubeClient } from "../../kube/client.ts";
import { keyOf, refOf } from "../../kube/object.ts";
import { type PersistentVolumeClaim, persistentVolumeClaims, type Workload } from "../../kube/resources.ts";
import type { Latest } from "../latest.ts";
import { type ClaimStep, claimSteps } from "./claims.ts";
import { type Applied, appliedOf, isKnown } from "./drift.ts";
import { tryOut } from "./dropped-fields.ts";
import type { Named } from "./keeper.ts";
import type { Plan } from "./plan.ts";
import type { Room } from "./room.ts";
import type { Obstacle } from "./status.ts";

interface ClaimDeps {
  client: Pick<KubeClient, "apply" | "create" | "mergePatch">;
  latest: Pick<Latest<Workload>, "get">;
}

/** What holds a claim is looked at again after so long, in milliseconds, if nothing tells before. */
const heldGapMs = 2_000;

/** Why nothing of the app can be made before a claim is free, or what to do about each. All claims of the room must be known. */
export function claimChores(
  { client, latest }: ClaimDeps,
  workload: Workload,
  plan: Plan,
  applied: ReadonlyMap<string, Applied>,
  room: Pick<Room, "claims">,
): Named[] | Obstacle {
  const { namespace = "" } = workload.metadata;
  const found = new Map<string, PersistentVolumeClaim>();
  for (const claim of room.claims.list()) found.set(claim.metadata.name ?? "", claim);
  const isThere = (name: string): boolean => latest.get(keyOf({ namespace, name })) !== undefined;
  const steps = claimSteps(workload, plan, { found, isThere });
  const waits = steps.find((step) => step.do === "wait");
  if (waits?.do === "wait") return { reason: "ClaimHeld", message: waits.message, againMs: heldGapMs };
  return steps.flatMap((step) => (step.do === "wait" ? [] : [choreOf(step)]));

  function choreOf(step: Exclude<ClaimStep, { do: "wait" }>): Named {
    const target = step.do === "create" ? step.draft : step.found;
    const said = step.do === "create" ? step.draft : { ...step.patch, metadata: { uid: step.found.metadata.uid } };
    const name = `claim ${target.metadata.name}`;
    // What was done before and has to be done again was undone by somebody.
    const isRepair = isKnown(said, applied.get(name));
    return {
      name,
      chore: {
        isDue: true,
        isRepair,
        async do(signal) {
          if (step.do === "create") await tryOut(client, persistentVolumeClaims, step.draft, signal);
          const answer =
            step.do === "create"
              ? await client.create(persistentVolumeClaims, step.draft, signal)
              : await client.mergePatch(persistentVolumeClaims, refOf(step.found), step.patch, signal);
          room.claims.put(answer);
          return appliedOf(said, answer);
        },
      },
    };
  }
}
