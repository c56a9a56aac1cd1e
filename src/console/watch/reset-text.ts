import { Reset_Reason as Reason } from "../../gen/fairlead/console/v1/watch_service_pb.ts";

const texts: ReadonlyMap<Reason, string> = new Map<Reason, string>([
  [Reason.OTHER_INSTANCE, "The agent was started anew since, so all is told again."],
  [Reason.TOO_OLD, "More has gone since than is remembered, so all is told again."],
  [Reason.OTHER_TOPICS, "That was a watch of something else, so all is told again."],
  [Reason.OTHER_ACCESS, "You may see something else than before, so all is told again."],
]);

/** Why a watch begins anew, in a sentence. */
export function resetText(reason: Reason): string {
  return texts.get(reason) ?? "All is told again.";
}
