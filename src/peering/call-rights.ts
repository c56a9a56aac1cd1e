/** Which grant a call needs for as long as it lasts. Pure. */

import { ForwardService } from "../gen/fairlead/peer/v1/forward_pb.ts";
import { IntentService, LeaseService } from "../gen/fairlead/peer/v1/intent_pb.ts";
import { MembershipService } from "../gen/fairlead/peer/v1/membership_pb.ts";
import { PairingService } from "../gen/fairlead/peer/v1/pairing_pb.ts";
import { PodService } from "../gen/fairlead/peer/v1/pods_pb.ts";
import { TargetService } from "../gen/fairlead/peer/v1/targets_pb.ts";
import { WorkloadService } from "../gen/fairlead/peer/v1/workload_pb.ts";
import type { LostGrant } from "./grants.ts";

/**
 * By service: the grant that its calls need, or none. A call of intent carries wishes, each of which is judged by itself
 * with the grants of that moment, and the news of what became of them, which a peer without grants may hear, too. So it
 * is with what workloads are asked. Nobody needs a grant to pair, to leave, or to hear what it may do. A list of targets has what the grants of its moment
 * allow, and is over at once.
 */
const needs: ReadonlyMap<string, string | undefined> = new Map([
  [PodService.typeName, "apps"],
  [IntentService.typeName, undefined],
  [WorkloadService.typeName, undefined],
  [LeaseService.typeName, undefined],
  [TargetService.typeName, undefined],
  // Each offer is judged by itself, and a peer that lost its grants may hear what became of its own.
  [ForwardService.typeName, undefined],
  [MembershipService.typeName, undefined],
  [PairingService.typeName, undefined],
]);

/** Of the grants that a peer has lost, the one for whose want a call of this path ends; undefined when it may go on. */
export function endedBy(path: string, lost: readonly LostGrant[]): LostGrant | undefined {
  const service = path.slice(1, path.indexOf("/", 1));
  // Of a service that nobody has thought of here, each call may have needed any of them.
  if (!needs.has(service)) return lost[0];
  const need = needs.get(service);
  return lost.find(({ grant }) => grant === need);
}
