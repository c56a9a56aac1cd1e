/** The face of this agent to its peers: `fairlead.peer.v1.TargetService`. Says a peer what it may reach here, page by page. */

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { BoundedMap } from "../base/bounded-map.ts";
import type { Clock } from "../base/clock.ts";
import { createRateLimit, type RateLimit } from "../base/rate-limit.ts";
import { type OfferedTarget, OfferedTargetSchema, type TargetService } from "../gen/fairlead/peer/v1/targets_pb.ts";
import type { StreamRecord } from "../peering/stream-record.ts";
import { callerKey } from "../rpc/caller.ts";
import { compare, listOffers, type OffersDeps, type PermittedOffer } from "./offers.ts";

export interface TargetServiceDeps extends OffersDeps {
  readonly record: Pick<StreamRecord, "note">;
  readonly clock: Clock;
}

const largestPage = 500;
/** In characters: what is longer is cut. */
const longest = 1_024;
/** Lists of one peer: so many at once, and a second. Each looks at all that there is. */
const asking = { burst: 40, perSecond: 4 };
/** Peers whose asking is remembered. */
const mostAskers = 4_096;

export function createTargetService(deps: TargetServiceDeps): ServiceImpl<typeof TargetService> {
  const { clock, record } = deps;
  /** Who has asked lately is forgotten last. */
  const askers = new BoundedMap<string, RateLimit>(mostAskers);

  function take(fingerprint: string): boolean {
    return askers.touch(fingerprint, () => createRateLimit({ clock, ...asking })).take();
  }

  return {
    async listTargets({ pageSize, pageToken }, { values, signal }) {
      const caller = values.get(callerKey);
      if (!take(caller.fingerprint)) {
        throw new ConnectError("You ask for the targets too often; ask again in a second.", Code.ResourceExhausted);
      }
      const { offers, problems } = await listOffers(deps, caller, signal);
      const isFirst = pageToken === "";
      const from = isFirst ? 0 : offers.findIndex(({ text }) => compare(text, pageToken) > 0);
      const rest = from < 0 ? [] : offers.slice(from);
      const page = rest.slice(0, pageSize === 0 ? largestPage : pageSize);
      if (isFirst) {
        const { peer, fingerprint, correlation } = caller;
        const message = `It was told of ${offers.length} targets.`;
        record.note(fingerprint, {
          action: "target.list",
          actor: { peer, fingerprint },
          verdict: "allowed",
          message,
          correlation,
        });
      }
      return {
        targets: page.map(toMessage),
        nextPageToken: page.length < rest.length ? (page.at(-1)?.text ?? "") : "",
        problems: isFirst ? problems.map((problem) => problem.slice(0, longest)) : [],
      };
    },
  };
}

function toMessage({ text, portName = "", appProtocol = "", notReady = "", ...offer }: PermittedOffer): OfferedTarget {
  return create(OfferedTargetSchema, {
    target: text,
    portName,
    protocol: offer.protocol,
    appProtocol,
    approvalNeeded: offer.needsApproval,
    notReady: notReady.slice(0, longest),
    until: offer.until === undefined ? "" : new Date(offer.until).toISOString(),
  });
}
