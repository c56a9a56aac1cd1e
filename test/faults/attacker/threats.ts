/**
 * Who may try what, what stops them, and which test proves it: the table of docs/security.md. The attacks that a whole agent is put to
 * come from their own table; the rest is proven where it is done.
 */
import type { Attack } from "./attack.ts";
import { attacks } from "./attacks.ts";
import { threatsOfApi } from "./threats-of-api.ts";
import { threatsOfContents } from "./threats-of-contents.ts";
import { threatsOfDoors } from "./threats-of-doors.ts";
import { threatsOfImages } from "./threats-of-images.ts";
import { threatsOfNodes } from "./threats-of-nodes.ts";
import { threatsOfSignIn } from "./threats-of-sign-in.ts";
import { threatsOfTunnels } from "./threats-of-tunnels.ts";

export interface Threat {
  readonly who: Who;
  readonly tries: string;
  readonly stops: string;
  readonly test: { readonly file: string; readonly name: string };
}

/** In the order of the page, each with who that is. */
export const parties = {
  network: "Somebody on the way: an ingress, a proxy, a cloud, whoever copies bytes",
  guest: "A stranger who reaches the peer port",
  peer: "A peer that was paired, by a modified agent or with stolen keys",
  "removed peer": "A peer whose rights have ended",
  host: "A peer where your apps run",
  tenant: "A workload of a peer, from within its pod",
  stranger: "A stranger who reaches the console's port",
  page: "A page of an app, in the browser of somebody who is signed in",
  neighbour: "Somebody with some rights in the same cluster",
  reader: "Whoever reads logs, process lists and the audit",
} as const;

export type Who = keyof typeof parties;

export const threats: readonly Threat[] = [
  ...attacks.map(threatOf),
  ...provenElsewhere(),
  ...threatsOfContents,
  ...threatsOfImages,
  ...threatsOfNodes,
  ...threatsOfTunnels,
  ...threatsOfDoors,
  ...threatsOfApi,
  ...threatsOfSignIn,
];

function threatOf({ who, tries, stops, name }: Attack): Threat {
  return { who, tries, stops, test: { file: "test/faults/attacker/attacker.test.ts", name } };
}

function provenElsewhere(): readonly Threat[] {
  return [
    {
      who: "peer",
      tries:
        "Reaches the machine of an agent without a cluster, or a cloud's metadata, by a name in DNS that leads there.",
      stops:
        "Only what is listed as loopback in so many words leads to loopback; link-local addresses never are reached.",
      test: {
        file: "test/tunnel/addresses.test.ts",
        name: "where the machine itself is offered, loopback that is listed as such is reached, and by a name in DNS it is not",
      },
    },
    {
      who: "neighbour",
      tries: "Reads the state of an agent without a cluster on the same machine.",
      stops: "The directory and each file in it are for their owner alone, whatever they were before.",
      test: {
        file: "test/standalone/directory.test.ts",
        name: "a directory is made, and made its owner's alone whatever it was, with all that is in it",
      },
    },
    {
      who: "network",
      tries: "Changes bytes on their way.",
      stops: "TLS ends the link at both ends, and nothing of the changed record is read.",
      test: {
        file: "test/link/secure.test.ts",
        name: "a record that was tampered with after the handshake ends the carrier at both ends, and nothing of it is read",
      },
    },
    {
      who: "network",
      tries: "Answers in the place of the agent that made an invite, to get its token.",
      stops: "The joiner dials the fingerprint that the invite names, and shows the token only to the key behind it.",
      test: {
        file: "test/peering/refusals.test.ts",
        name: "whoever answers at the URL with another key is not shown the token",
      },
    },
    {
      who: "guest",
      tries: "Sends bytes that are no HTTP, no WebSocket, no TLS, no frames.",
      stops: "Each layer is bounded by itself, and whoever breaks it is cut; nothing else notices.",
      test: { file: "test/link/fuzz.test.ts", name: "bytes of any kind to the HTTP port" },
    },
    {
      who: "network",
      tries: "Carries a link as its relay, and reads what passes.",
      stops: "The mutual TLS of a link runs from end to end, also through a third agent.",
      test: {
        file: "test/tunnel/relayed.test.ts",
        name: "calls and streams pass through the third agent, which sees none of what they say",
      },
    },
    {
      who: "network",
      tries: "Is asked to carry, and answers itself in the place of the other.",
      stops: "The end that dials pins the fingerprint of the agent that it means, and not the relay's.",
      test: {
        file: "test/link/carried.test.ts",
        name: "a third agent that answers itself in the place of the pinned one is found out",
      },
    },
    {
      who: "guest",
      tries: "Comes through a peer that carries, in numbers, and says nothing.",
      stops: "Strangers through one relay, and through all, are few and counted apart, and each has ten seconds.",
      test: {
        file: "test/link/carried.test.ts",
        name: "who is carried has the same time to prove who they are, and few are waited for through one agent",
      },
    },
    {
      who: "peer",
      tries: "Brings strangers to an agent that did not ask for it.",
      stops: "Only a peer with the grant `relay` may, and each that it brings proves a key for itself.",
      test: {
        file: "test/tunnel/relayed.test.ts",
        name: "no peer brings strangers unasked: without the grant its carriers are refused, and an invite by it is not made",
      },
    },
    {
      who: "peer",
      tries: "Has an agent carry for it unasked, or finds out by asking who else is its peer.",
      stops: "A policy must allow both; one that is forbidden and one that is unknown get the same answer.",
      test: {
        file: "test/tunnel/relay.test.ts",
        name: "who is not allowed to be carried, or asks for one that is not, is refused with what to do, and nobody is dialled",
      },
    },
    {
      who: "peer",
      tries: "Fills an agent that carries for it with connections.",
      stops: "Carriers are counted for both of their ends, and bytes held to a rate where a policy says one.",
      test: {
        file: "test/tunnel/relay.test.ts",
        name: "each of two may have so many carriers; a bound that is lowered ends the latest",
      },
    },
    {
      who: "guest",
      tries: "Opens calls and says nothing, to take room from peers.",
      stops: "A guest has four calls and ten seconds.",
      test: {
        file: "test/peering/strangers.test.ts",
        name: "a guest that opens calls and says nothing takes no room from peers, and is cut",
      },
    },
    {
      who: "peer",
      tries: "Comes as a copy: another agent with the same identity, as of a cloned cluster.",
      stops: "The instance that holds the link is asked, the copy is refused, and both are named.",
      test: {
        file: "test/peering/links.test.ts",
        name: "a second living agent with the same identity is refused and named, and the first keeps its link",
      },
    },
    {
      who: "peer",
      tries: "Asks and never reads the answers, or sends more than it has credit for.",
      stops: "What waits for it is bounded, and then its session ends; beyond its credit its stream is reset.",
      test: {
        file: "test/wire/hostile.test.ts",
        name: "a peer that asks and does not read the answers is cut within a bound",
      },
    },
    {
      who: "peer",
      tries: "Takes all the room for calls, together with other peers.",
      stops: "Each may have a share of the room that is left, so that something is left for the next one.",
      test: {
        file: "test/rpc/greedy-caller.test.ts",
        name: "several greedy callers together leave room for the next one",
      },
    },
    {
      who: "peer",
      tries: "Begins thousands of long messages and finishes none of them.",
      stops: "A message counts from its length on; all of one peer's that are not whole have 64 MiB.",
      test: {
        file: "test/rpc/unfinished.test.ts",
        name: "one caller's unfinished messages are bounded, leave room for others', and are forgotten with their calls",
      },
    },
    {
      who: "peer",
      tries: "Says 10,000 things at once, so that the agent has no time for anybody else.",
      stops: "Who works through much gives way to others every few milliseconds.",
      test: {
        file: "test/base/breather.test.ts",
        name: "a worker with much to do that waits for nothing does not hold up the process",
      },
    },
    {
      who: "peer",
      tries: "Labels itself as trusted, or says a region, to get another policy.",
      stops:
        "Policies select by the names and labels that the operator gave; what a peer says of itself is shown as such.",
      test: {
        file: "test/policy/effective.test.ts",
        name: "what a peer says of itself never selects: only our name and our labels do",
      },
    },
    {
      who: "peer",
      tries: "Profits from a policy that is half understood, such as one of a later version.",
      stops: "It closes everything for all whom it selects, and says why.",
      test: {
        file: "test/policy/effective.test.ts",
        name: "a policy that cannot be understood closes everything for the peers that it selects, and says which and why",
      },
    },
    {
      who: "removed peer",
      tries: "Goes on reading a log or a port after the grant came to its end.",
      stops: "The end of a grant is a withdrawal at that moment: calls and streams end at both ends, with the rule.",
      test: {
        file: "test/peering/rights.test.ts",
        name: "a grant with an end is withdrawn by itself at that moment, at both ends, and said so in the record",
      },
    },
    {
      who: "tenant",
      tries: "Reaches other tenants, Services, nodes, node metadata or the API server.",
      stops:
        "NetworkPolicies: in only the agent and the same app, out only DNS and what the policy names, and that never means metadata or the API server. Real clusters enforce it in `make e2e`.",
      test: {
        file: "test/policy/enforcement.test.ts",
        name: "what no policy names, nobody reaches: in only the agent, out only DNS",
      },
    },
    {
      who: "tenant",
      tries: "Gets at the host or at the agent's credentials: host namespaces, a service account token.",
      stops:
        "No such field exists in an app; Pod Security of the namespace refuses it if the agent is bypassed; no token is mounted.",
      test: {
        file: "test/workloads/manifests.test.ts",
        name: "pods have no service account token and no links to Services, and belong to their Workload",
      },
    },
    {
      who: "tenant",
      tries:
        "Breaks out by a security context of one of its containers: privileged, capabilities, profiles, root where none may be, in an init container or a sidecar too; asks for ports of a node; has the node probe another address than the pod's.",
      stops:
        "Admission holds every container and the pod to the Pod Security level before anything is made, with the rule and the field; the namespace holds them to it again.",
      test: {
        file: "test/policy/escape.test.ts",
        name: "a pod that wants to be more than its level is refused",
      },
    },
    {
      who: "tenant",
      tries: "Mounts what is not its own: the node's files, a network's, a token, another's volume or a copy of one.",
      stops:
        "Only what the app brings along is mounted, and a claim is for a new volume of a class that the policy names.",
      test: { file: "test/policy/escape.test.ts", name: "only what the app brings along is mounted" },
    },
    {
      who: "tenant",
      tries:
        "Gets onto nodes that are set apart, by a node's name, a label, a toleration of everything, or beside others' pods.",
      stops:
        "An app chooses nodes by the labels, and tolerates the taints, that the policy names; affinity and spread are about pods of the same peer.",
      test: {
        file: "test/policy/scheduling.test.ts",
        name: "is not where a taint keeps others out, unless a policy lets them in",
      },
    },
    {
      who: "tenant",
      tries:
        "Gives orders to what else runs in the cluster by labels and annotations of its pods: a network, a mesh, a container runtime.",
      stops: "Keys with a dot are those that a policy names, and those of Kubernetes and of the agent nobody's.",
      test: {
        file: "test/policy/scheduling.test.ts",
        name: "labels and annotations that others here may take for orders are refused",
      },
    },
    {
      who: "tenant",
      tries:
        "Hides images or appetite in a second container, an init container, a sidecar, a Job or a CronJob whose Jobs overlap.",
      stops:
        "Images, amounts and what must be said count for every container by Kubernetes' own arithmetic; what may overlap without end passes no bound.",
      test: {
        file: "test/policy/escape.test.ts",
        name: "Jobs count by the pods that run at a time, and those that may overlap without end pass no bound",
      },
    },
    {
      who: "neighbour",
      tries: "Makes a namespace of a peer's name beforehand, to receive what that peer runs.",
      stops: "A namespace is used only if it carries the mark with that peer's fingerprint.",
      test: {
        file: "test/workloads/meddling.test.ts",
        name: "a namespace by the right name that carries no mark, or another peer's, is never used",
      },
    },
    {
      who: "neighbour",
      tries: "Changes or deletes what guards a peer's namespace, or what runs there.",
      stops: "It is put back, and what was added is taken away.",
      test: {
        file: "test/workloads/guards.test.ts",
        name: "what somebody adds to it is taken away, also by server-side apply with a name of their own",
      },
    },
    {
      who: "neighbour",
      tries: "Alters, removes or reorders entries of the stored audit.",
      stops:
        "Entries are chained by their hashes; `fairlead audit verify` names what does not fit, and the log is the record.",
      test: { file: "test/audit/storage.test.ts", name: "is told when an entry is altered, removed or doubled" },
    },
    {
      who: "neighbour",
      tries:
        "Brings the agent to make a new identity, by a failing API server or by taking its Secret away for a moment.",
      stops:
        "An identity is made only when the store says that there is none, with a precondition; any other failure stops the start.",
      test: { file: "test/identity/identity.test.ts", name: "a read that fails makes no identity" },
    },
    {
      who: "reader",
      tries: "Finds tokens, keys or invites in logs.",
      stops: "Secrets are values that do not print, and fields with such names are masked.",
      test: {
        file: "test/telemetry/log.test.ts",
        name: "secrets are masked by the name of their field, at any depth, in lines and in children",
      },
    },
    {
      who: "reader",
      tries: "Finds tokens in the audit, or is steered by escapes that a stranger put there.",
      stops:
        "No token nor hash of one is recorded; control characters and long texts are cut before an entry is written.",
      test: {
        file: "test/audit/audit-log.test.ts",
        name: "what a stranger says is cut, cannot steer a terminal, and never makes a line longer than there is room for",
      },
    },
    {
      who: "reader",
      tries: "Is shown a peer's text in a terminal, with escapes in it.",
      stops: "The command line prints no control characters that a peer sent.",
      test: {
        file: "test/cli/table.test.ts",
        name: "whatever a peer puts into a cell stays one line without control characters",
      },
    },
  ];
}
