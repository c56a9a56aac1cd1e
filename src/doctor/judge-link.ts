import type { LinkStatus } from "../peering/link-status.ts";
import { spanText, type Verdict } from "./finding.ts";

/** How the link is at the time `now`, in milliseconds since 1970. Pure. */
export function judgeLink(status: LinkStatus, way: { hasUrl: boolean; hasRelay: boolean }, now: number): Verdict {
  const { state, since, path, roundTripMs, remoteAddress, lastError, session } = status;
  const span = spanText(now - since);
  const evidence = [
    path && `${path}${remoteAddress ? `, ${remoteAddress}` : ""}`,
    roundTripMs !== undefined &&
      state === "connected" &&
      `round trip ${roundTripMs < 10 ? roundTripMs.toFixed(1) : Math.round(roundTripMs)} ms`,
    lastError && `last error: ${lastError}`,
  ].filter((line) => typeof line === "string");
  if (state === "connected") return { level: "ok", check: "link", summary: `connected for ${span}`, evidence };
  if (session?.carrierlessSince !== undefined) {
    const summary = `interrupted for ${spanText(now - session.carrierlessSince)}; its streams wait for the next connection`;
    return { level: "warning", check: "link", summary, evidence, remedy: whatToDo(way) };
  }
  if (state === "connecting") return { level: "warning", check: "link", summary: `connecting for ${span}`, evidence };
  return { level: "problem", check: "link", summary: `not connected for ${span}`, evidence, remedy: whatToDo(way) };
}

function whatToDo({ hasUrl, hasRelay }: { hasUrl: boolean; hasRelay: boolean }): string {
  return hasUrl || hasRelay
    ? "See what is found on the way to it; `fairlead peer reconnect` dials at once."
    : "This agent has no URL of the peer and waits to be dialled: run `fairlead doctor` at the other end. If neither can dial the other, a third that both are paired with can carry: `fairlead peer relay`.";
}
