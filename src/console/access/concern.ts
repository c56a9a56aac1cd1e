/** Which peers a request is about, read from the fields that its method names. Pure but for what it asks. */
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { isMessage } from "@bufbuild/protobuf";
import { Scope } from "../../gen/fairlead/console/v1/access_pb.ts";
import { ObjectRefSchema } from "../../gen/fairlead/console/v1/object_pb.ts";
import { type ForwardSpec, ForwardSpecSchema } from "../../gen/fairlead/resources/v1alpha1/forward_pb.ts";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Need } from "./access-of.ts";
import { valuesAt } from "./request-field.ts";

/** Peers that something is about, or the agent and so all of them. */
export type Concern = "all" | readonly string[];

/** What a request is about. */
export interface About {
  /** By its own words: peers that it names, and those of the specs that it holds. */
  readonly said: Concern;
  /** By what it names and this agent knows, which not everybody does; "nothing" when that does not exist. Absent when it names nothing such. */
  readonly found?: Concern | "nothing";
  /** Whoever may see this peer knows of what was found, also where that is about more. Absent: who may see all that it is about. */
  readonly shownTo?: string | undefined;
}

type Ref = { readonly namespace: string; readonly name: string };

/** What the agent knows of what requests name. */
export interface Known {
  /** The peers that run an app here, or are to; "all" where that is not settled; undefined when there is no such app. */
  peersOfApp(app: Ref): Concern | undefined;
  /** Whether the spec names Secrets or ConfigMaps of the app's namespace that the present app does not. */
  namesMore(app: Ref | undefined, spec: RemoteAppSpec): boolean;
  /** The peer whose Workload it is; undefined when there is none. */
  peerOfWorkload(workload: Ref): string | undefined;
  /** What a Forward of this cluster is about; undefined when there is none. */
  concernOfForward(forward: Ref): Concern | undefined;
  /** Our name for whom it leads to, or offers something to; undefined when there is no such Forward. */
  peerOfForward(forward: Ref): string | undefined;
}

/** What a request is about. `known` is asked for what it only names. */
export function aboutOf(
  { scope, fields }: Need,
  request: Message | undefined,
  input: DescMessage,
  known: Known,
): About {
  if (scope === Scope.AGENT) return { said: "all" };
  const values = request ? fields.flatMap((field) => valuesAt(input, request, field)) : [];
  const refs = values.filter((value) => isMessage(value, ObjectRefSchema));
  const specs = values.filter((value) => isMessage(value, RemoteAppSpecSchema));
  const forwards = values.filter((value) => isMessage(value, ForwardSpecSchema));
  const names = values.filter((value) => typeof value === "string" && value !== "").map(String);
  const said = join([
    scope === Scope.INBOX_ITEM ? names.map((name) => name.split("/", 1)[0] ?? "") : names,
    // What lies in a namespace was put there for some app at some peer. Who may not go there could have it sent to where they may.
    ...specs.map((spec) => (known.namesMore(refs[0], spec) ? "all" : concernOfSpec(spec))),
    ...forwards.map(concernOfForward),
  ]);
  if (scope === Scope.PEER && said.length === 0) return { said: "all" };
  const found = refs.map((ref) => concernOfNamed(scope, ref, known));
  const there = found.filter((concern) => concern !== undefined);
  if (there.length > 0) {
    // What concerns no peer yet is the agent's.
    const found = join(there.map((concern) => (concern.length > 0 ? concern : "all")));
    return { said, found, ...(scope === Scope.FORWARD && refs[0] && { shownTo: known.peerOfForward(refs[0]) }) };
  }
  // The spec of an app says what it would be; a Forward that a request names is one to be changed, not to be made.
  return refs.length > 0 && specs.length === 0 ? { said, found: "nothing" } : { said };
}

/** Of what an app is to be. */
export function concernOfSpec({ peer, placement }: Pick<RemoteAppSpec, "peer" | "placement">): Concern {
  if (placement !== undefined) return "all";
  return peer === undefined ? [] : [peer];
}

function concernOfNamed(scope: Scope, ref: Ref, known: Known): Concern | undefined {
  if (scope === Scope.FORWARD) return known.concernOfForward(ref);
  if (scope !== Scope.WORKLOAD) return known.peersOfApp(ref);
  const peer = known.peerOfWorkload(ref);
  return peer === undefined ? undefined : [peer];
}

/** What all of them are about together. */
export function join(concerns: readonly Concern[]): Concern {
  const peers = new Set<string>();
  for (const concern of concerns) {
    if (concern === "all") return "all";
    for (const peer of concern) peers.add(peer);
  }
  return [...peers];
}

/** What is offered to a peer is this cluster's, whoever the peer is. */
export function concernOfForward({ peer, direction }: Pick<ForwardSpec, "peer" | "direction">): Concern {
  if (direction === "Reverse") return "all";
  return peer === undefined ? [] : [peer];
}
