/** The origin's end: what a peer says that it lets this agent reach. What it says is bounded, and believed of nothing else. */
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { type OfferedTarget, TargetService } from "../gen/fairlead/peer/v1/targets_pb.ts";
import { parseTarget } from "../wire/target-text.ts";

export interface TargetsAtPeer {
  readonly targets: readonly OfferedTarget[];
  /** What is not known, and why, in sentences. */
  readonly problems: readonly string[];
}

const pageSize = 500;
const mostTargets = 10_000;
const mostProblems = 64;
/** In characters. */
const longest = { portName: 63, protocol: 16, appProtocol: 255, notReady: 1_024, until: 64, problem: 1_024 };

/** Throws a ConnectError: Unimplemented in words, and what else a call of a peer can end with. */
export async function listTargetsAt(
  { transport, peer }: { readonly transport: Transport; readonly peer: string },
  signal: AbortSignal,
): Promise<TargetsAtPeer> {
  const client = createClient(TargetService, transport);
  const targets = new Map<string, OfferedTarget>();
  const problems: string[] = [];
  let unknown = 0;
  let pageToken = "";
  // A peer that goes on for ever is heard for as many pages as all that it may say needs.
  for (let pages = 0; pages < mostTargets / pageSize; pages += 1) {
    const page = await client.listTargets({ pageSize, pageToken }, { signal }).catch((error: unknown) => {
      throw explain(peer, error);
    });
    problems.push(...page.problems.slice(0, mostProblems).map((problem) => problem.slice(0, longest.problem)));
    for (const target of page.targets.slice(0, pageSize)) {
      if (parseTarget(target.target)) targets.set(target.target, bounded(target));
      else unknown += 1;
    }
    if (page.nextPageToken === "") break;
    if (page.nextPageToken.length > 512 || page.nextPageToken <= pageToken) {
      problems.push("The peer does not say the rest in an order that can be followed.");
      break;
    }
    pageToken = page.nextPageToken;
  }
  if (unknown > 0) problems.push(`${unknown} more are of kinds that this agent does not know; it may be older.`);
  return { targets: [...targets.values()], problems: problems.slice(0, mostProblems) };
}

function bounded(target: OfferedTarget): OfferedTarget {
  const { portName, protocol, appProtocol, notReady, until } = target;
  return {
    ...target,
    portName: portName.slice(0, longest.portName),
    protocol: protocol.slice(0, longest.protocol),
    appProtocol: appProtocol.slice(0, longest.appProtocol),
    notReady: notReady.slice(0, longest.notReady),
    until: until.slice(0, longest.until),
  };
}

function explain(peer: string, error: unknown): unknown {
  if (!(error instanceof ConnectError) || error.code !== Code.Unimplemented) return error;
  const message = `The agent of ${peer} is of an earlier version, which does not say what can be reached there; what you know of can be reached all the same, as in: fairlead forward ${peer} service/NAMESPACE/NAME:PORT`;
  return new ConnectError(message, Code.Unimplemented, undefined, undefined, error);
}
