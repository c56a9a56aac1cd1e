import type { LinkStatus } from "../peering/link-status.ts";
import type { Verdict } from "./finding.ts";

/** A peer that is to carry the link to another one: how the link to itself is; undefined when it is no peer here. */
export interface RelaySeen {
  readonly name: string;
  readonly status: Pick<LinkStatus, "state" | "through" | "lastError"> | undefined;
}

/** Whether a relay of `peer` could carry now, as far as this end can tell. Pure. */
export function judgeRelay(peer: string, { name, status }: RelaySeen): Verdict {
  if (!status) {
    const summary = `it is to be reached through ${name}, which is no peer here`;
    return { level: "warning", check: "relay", summary, remedy: `Name one that is: fairlead peer relay ${peer} NAME` };
  }
  if (status.through !== undefined) {
    const summary = `it is to be reached through ${name}, which is reached through ${status.through} itself`;
    const remedy = `No relay stands behind another: give ${name} a URL here, or name ${status.through} as the relay of ${peer}.`;
    return { level: "warning", check: "relay", summary, remedy };
  }
  if (status.state === "connected") {
    return { level: "ok", check: "relay", summary: `${name}, which may carry the link, is connected` };
  }
  const summary = `${name}, which may carry the link, is not connected`;
  const evidence = status.lastError ? [`last error: ${status.lastError}`] : [];
  return { level: "warning", check: "relay", summary, evidence, remedy: `Look at it: fairlead doctor ${name}` };
}
