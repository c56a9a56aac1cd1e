/** Who may try what with Secrets and ConfigMaps that apps bring along. */
import type { Threat } from "./threats.ts";

const hostile = "test/workloads/hostile-attachments.test.ts";

export const threatsOfContents: readonly Threat[] = [
  {
    who: "peer",
    tries:
      "Sends Secrets that no spec names, too few, one twice, tokens of service accounts, hashes of its own, or more than fits.",
    stops:
      "What comes must be exactly what the spec names, of a type that a peer may bring, and within the bounds that the host has said; the host makes the hashes itself.",
    test: {
      file: hostile,
      name: "what comes with an app must be exactly what its spec names, and of a type that a peer may bring",
    },
  },
  {
    who: "peer",
    tries: "Calls a Secret like the agent's own, `../x`, or like another app's.",
    stops:
      "Objects are made in the peer's namespace alone, under names that begin with the Workload's and end with a hash that only the host can make, and belong to that Workload.",
    test: {
      file: hostile,
      name: "no name leads to an object that is another's: what is there stays as it is, and the peer's own is made beside it",
    },
  },
  {
    who: "peer",
    tries: "Has an app approved and then sends another Secret or ConfigMap under the same name.",
    stops:
      "The keyed hash of each content is part of what is approved: another content waits for another approval, and what was approved runs on.",
    test: {
      file: "test/workloads/attachments.test.ts",
      name: "a person's approval covers what comes with an app: another content is held again, and what was approved runs on",
    },
  },
  {
    who: "peer",
    tries: "Sends thousands of wishes with megabytes each, to fill the host's memory.",
    stops:
      "Of one conversation 8 MiB of contents wait to be stored, of all 64 MiB; the rest is not kept, and asked for again when there is room.",
    test: {
      file: "test/intent/attachments.test.ts",
      name: "what has no room is not kept, and is asked for again when what came before it is stored",
    },
  },
  {
    who: "neighbour",
    tries:
      "Writes a RemoteApp that names the agent's Secret, one of another namespace, or one that its owner has not shared.",
    stops:
      'An app refers to its own namespace alone and to what carries the label `fairlead.dev/shared: "true"`; of the agent\'s namespace nothing is sent, and the agent has no right to read where nobody granted one.',
    test: {
      file: hostile,
      name: "a RemoteApp gets nothing out of its agent's own namespace, of another namespace, or of a Secret that nobody has labelled",
    },
  },
  {
    who: "neighbour",
    tries: "Changes or deletes, at the host, a Secret that a peer's app brought along.",
    stops:
      "The objects are immutable, and each is compared with the keyed hash that it was made for; what differs is asked for again and put back.",
    test: {
      file: "test/workloads/attachments.test.ts",
      name: "a Secret that is lost, changed or taken over at the host is asked for again and put back",
    },
  },
  {
    who: "reader",
    tries:
      "Looks for what Secrets hold in logs at any level, in resources and their status, in events, the audit and the inbox.",
    stops:
      "Content is in Secrets and in memory alone, in values that nothing prints; what shows that it changed is a hash under a key that only the agent has.",
    test: {
      file: "test/workloads/redaction.test.ts",
      name: "an app that brings a Secret along leaves nothing of it in logs, resources, events, the audit or the inbox, whatever becomes of it",
    },
  },
];
