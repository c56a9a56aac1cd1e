/** Which peers a request is about, read from the fields that its method names. Pure but for what it asks. */
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { isMessage } from "@bufbuild/protobuf";
import { Scope } from "../../gen/fairlead/console/v1/access_pb.ts";
import { ObjectRefSchema } from "../../gen/fairlead/console/v1/object_pb.ts";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Need } from "./access-of.ts";
import { valuesAt } from "./request-field.ts";

/** What a request is about: these peers, or the agent and so all of them. */
export type Concern = "all" | readonly string[];

type Ref = { readonly namespace: string; readonly name: string };

/** What the agent knows of what requests name. */
export interface Known {
  /** The peers that run an app here, or are to; "all" where that is not settled; undefined when there is no such app. */
  peersOfApp(app: Ref): Concern | undefined;
  /** Whether the spec names Secrets or ConfigMaps of the app's namespace that the present app does not. */
  namesMore(app: Ref | undefined, spec: RemoteAppSpec): boolean;
  /** The peer whose Workload it is; undefined when there is none. */
  peerOfWorkload(workload: Ref): string | undefined;
}

/** What a request is about. `known` is asked for what it only names; what does not exist is nobody's, and keeps nobody out. */
export function concernOf(
  { scope, fields }: Need,
  request: Message | undefined,
  input: DescMessage,
  known: Known,
): Concern {
  if (scope === Scope.AGENT) return "all";
  const peers = new Set<string>();
  const values = request ? fields.flatMap((field) => valuesAt(input, request, field)) : [];
  const app = values.find((value) => isMessage(value, ObjectRefSchema));
  for (const value of values) {
    const concern = concernOfValue(scope, value, app, known);
    if (concern === "all") return "all";
    for (const peer of concern) peers.add(peer);
  }
  return scope === Scope.PEER && peers.size === 0 ? "all" : [...peers];
}

function concernOfValue(scope: Scope, value: unknown, app: Ref | undefined, known: Known): Concern {
  if (isMessage(value, RemoteAppSpecSchema)) {
    // What lies in a namespace was put there for some app at some peer. Who may not go there could have it sent to where they may.
    return known.namesMore(app, value) ? "all" : concernOfSpec(value);
  }
  if (isMessage(value, ObjectRefSchema)) {
    if (scope !== Scope.WORKLOAD) return known.peersOfApp(value) ?? [];
    const peer = known.peerOfWorkload(value);
    return peer === undefined ? [] : [peer];
  }
  if (typeof value !== "string" || value === "") return [];
  return [scope === Scope.INBOX_ITEM ? (value.split("/", 1)[0] ?? "") : value];
}

/** Of what an app is to be. */
export function concernOfSpec({ peer, placement }: Pick<RemoteAppSpec, "peer" | "placement">): Concern {
  if (placement !== undefined) return "all";
  return peer === undefined ? [] : [peer];
}
