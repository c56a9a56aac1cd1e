/** Rules about what a person must approve before it runs. */
import { normaliseImage } from "../image.ts";
import { formatQuantity } from "../quantity.ts";
import { isWithoutEnd, silentAbout } from "./counted.ts";
import type { Finding, Question } from "./question.ts";

/**
 * Whatever runs already, exactly so, needs no approval; unless it runs by an approval, which may have come to its end.
 */
export function mustBeApproved(question: Question): readonly Finding[] {
  const { decision, hash } = question.context;
  if (question.isUnchanged && decision?.hash !== hash) return [];
  return [...isEachChangeHeld(question), ...isNewImageHeld(question), ...isMuchHeld(question)];
}

function isEachChangeHeld({ context: { peer, policy } }: Question): readonly Finding[] {
  if (policy.approval !== "Always") return [];
  const message = `a person at this cluster must approve each new app of peer ${peer} and each change of one`;
  return [{ rule: "approval/always", field: "", message }];
}

function isNewImageHeld({ demand, runningDemand, isUnchanged, context }: Question): readonly Finding[] {
  if (context.policy.approval !== "NewImage") return [];
  // What runs by an approval that ends does not make its own image known, or the approval would end without effect.
  const isNoProof = isUnchanged || context.isRunningBounded === true;
  const own = new Set(isNoProof ? [] : runningDemand?.images.map(normaliseImage));
  return demand.containers.flatMap(({ path, image }) => {
    const asked = normaliseImage(image);
    if (own.has(asked) || context.knownImages.has(asked)) return [];
    const message = `no app of peer ${context.peer} runs ${asked} here yet, and a person at this cluster must approve each new image`;
    return [{ rule: "approval/new-image", field: `${path}image`, message, asked }];
  });
}

function isMuchHeld({ demand, context: { policy } }: Question): readonly Finding[] {
  return [...policy.approvalAbove].flatMap(([name, most]) => {
    const allowed = formatQuantity(most, name);
    const rule = `approval/above/${name}`;
    const silent = name.startsWith("limits.") ? silentAbout(demand, name) : undefined;
    if (silent) {
      const whose = silent.path === "" ? "" : `${silent.path.slice(0, -1)} `;
      const message = `${whose}says no ${name}, and beyond ${allowed} a person at this cluster must approve`;
      return [{ rule, field: "", message, allowed }];
    }
    if (isWithoutEnd(demand, name)) {
      const message = `its Jobs may overlap, any number of them, and beyond ${allowed} of ${name} a person at this cluster must approve; concurrencyPolicy Forbid or Replace would bound them`;
      return [{ rule, field: "cronJob.concurrencyPolicy", message, allowed }];
    }
    const quantity = demand.total.get(name) ?? 0n;
    if (quantity <= most) return [];
    const field = "";
    const asked = formatQuantity(quantity, name);
    const message = `asks for ${asked} of ${name}, and beyond ${allowed} a person at this cluster must approve`;
    return [{ rule, field, message, asked, allowed }];
  });
}
