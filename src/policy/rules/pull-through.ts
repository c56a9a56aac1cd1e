/** A rule about the way by which images come. */
import type { Finding, Question } from "./question.ts";

/** What comes through the link is what the peer sends, whatever registry its name speaks of. */
export function mayPullThrough({ app, context: { peer, policy } }: Question): readonly Finding[] {
  if (app.imagePull !== "ThroughOrigin" || policy.pullThrough) return [];
  const message = `${peer} may not bring images itself here: its PeerPolicy would have to say workloads.pullThrough; without imagePull this host pulls from the registry`;
  return [{ rule: "images/pull-through", field: "imagePull", message, asked: "ThroughOrigin", allowed: "FromHost" }];
}
