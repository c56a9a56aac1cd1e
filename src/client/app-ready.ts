/** How far an app is, in one word for a list. Pure. */
import type { App } from "../gen/fairlead/console/v1/app_service_pb.ts";

/** How many of how many, of all its peers: pods that are ready, or completions of a Job. A CronJob has no such number. */
export function readyOf(app: App): string {
  const { spec, status } = app;
  if (spec?.kind === "CronJob") return "-";
  if (spec?.kind === "Job") return `${status?.job?.succeeded ?? 0}/${(spec.job?.completions ?? 1) * peersWanted(app)}`;
  return `${status?.readyReplicas ?? 0}/${(spec?.replicas ?? 1) * peersWanted(app)}`;
}

/** At how many peers it is to run: as many as it says, be they there or not; of an app for all that are chosen, those that were. */
function peersWanted({ spec, status }: App): number {
  if (!spec?.placement) return 1;
  const chosen = (status?.peers ?? []).filter(({ leaving }) => !leaving).length;
  return (spec.placement.count ?? 1) || Math.max(1, chosen);
}
