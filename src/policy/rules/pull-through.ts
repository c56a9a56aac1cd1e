/** A rule about the way by which images come. */
import type { Finding, Question } from "./question.ts";

const field = "imagePull";
const values = { asked: "ThroughOrigin", allowed: "FromHost" };

/** What comes through the link is what the peer sends, whatever registry its name speaks of; and it needs a way to the nodes. */
export function mayPullThrough({ app, context, isUnchanged }: Question): readonly Finding[] {
  const { peer, policy, hasImageDoor } = context;
  if (app.imagePull !== "ThroughOrigin") return [];
  if (!policy.pullThrough) {
    const message = `${peer} may not bring images itself here: its PeerPolicy would have to say workloads.pullThrough; without imagePull this host pulls from the registry`;
    return [{ rule: "images/pull-through", field, message, ...values }];
  }
  // What runs has been pulled, and is not ended because the way is gone.
  if (hasImageDoor || isUnchanged) return [];
  const message =
    "this cluster's nodes have no way to pull through the link: its operator would have to set images.enabled in the chart (the setting images.registry)";
  return [{ rule: "images/no-door", field, message, ...values }];
}
