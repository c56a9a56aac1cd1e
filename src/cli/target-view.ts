/** How what is at peers looks on a terminal. Pure. */
import { toJson } from "@bufbuild/protobuf";
import { type PeerTarget, PeerTargetSchema } from "../gen/fairlead/console/v1/tunnel_service_pb.ts";
import type { View } from "./output.ts";
import { leftOf, type Tone } from "./table.ts";

/**
 * `now` is in milliseconds since 1970; `peer` is the one that was asked, undefined when it was all of them. `address` is the console's, where
 * it has a URL.
 */
export function targetView(now: number, peer: string | undefined, address = ""): View<PeerTarget> {
  const console = /^https?:/.test(address) ? address : "";

  return {
    name: ({ target }) => target,
    columns: [
      ...(peer === undefined ? [{ head: "PEER", cell: (one: PeerTarget) => one.peer }] : []),
      { head: "TARGET", cell: ({ target }) => target },
      { head: "PORT-NAME", cell: ({ portName }) => portName },
      { head: "PROTOCOL", cell: ({ protocol, appProtocol }) => [protocol, appProtocol].filter(Boolean).join("/") },
      { head: "STATE", cell: stateOf, tone: toneOf },
      { head: "ENDS-IN", cell: ({ until }) => (until === "" ? "" : leftOf(until, now)), wide: true },
      { head: "URL", cell: ({ path }) => path && console + path, wide: true },
      { head: "MESSAGE", cell: messageOf, wide: true },
    ],
    json: (one) => toJson(PeerTargetSchema, one),
    empty:
      peer === undefined
        ? "No peer lets this agent reach anything. What it may is for each peer's operator to say, by grants and policies there."
        : `${peer} lets this agent reach nothing. Its operator can, by a grant and a PeerPolicy there.`,
  };
}

/** What is not ready is so whether a person has approved it or not, and both are of interest; the first stands in the way at once. */
function stateOf({ approvalNeeded, notReady }: PeerTarget): string {
  if (approvalNeeded) return "NeedsApproval";
  return notReady === "" ? "Ready" : "NotReady";
}

function toneOf(target: PeerTarget): Tone {
  if (target.approvalNeeded) return "waiting";
  return target.notReady === "" ? "good" : "bad";
}

function messageOf({ approvalNeeded, notReady }: PeerTarget): string {
  const approval = approvalNeeded ? "A person there must approve its first use." : "";
  return [approval, notReady].filter(Boolean).join(" ");
}
