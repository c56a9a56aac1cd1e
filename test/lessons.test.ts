/**
 * What broke in others, as rules, each with the tests that hold us to it: about trust and authorisation, and about state and
 * delivery. A test that is renamed or goes is missed here.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

/** By the rule: the tests, by file and title. */
const trust: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "The verifier chooses what is proven, so that nothing that was once seen can be replayed": {
    "faults/attacker/attacks/identity.ts": "the bytes of another peer's link, sent once more, open nothing",
  },
  "Unknown means refused": {
    "faults/attacker/attacks/guests.ts":
      "a stranger may ask to be paired and nothing else, and is shown out when it goes on",
  },
  "Pin on both sides": {
    "link/link.test.ts": "a dial that pins somebody else is refused, and hands nothing over",
    "peering/refusals.test.ts": "whoever answers at the URL with another key is not shown the token",
  },
  "Every operation is scoped by the caller's fingerprint first, then by id": {
    "tunnel/rights.test.ts":
      "Every operation is scoped by the caller's fingerprint first, then by id: a uid opens nobody else's app",
    "workloads/hostile.test.ts":
      "another peer's UID in a tombstone, a digest or an adoption touches nothing of that peer",
  },
  "Who is calling comes from the link alone": {
    "peering/rights.test.ts":
      "Who is calling comes from the link alone: what a peer may do is told to nobody else, whatever is asked",
  },
  "Check every open": {
    "tunnel/rights.test.ts":
      "Check every open: what was allowed a moment ago is judged anew, also beside streams that are open",
    "peering/rights.test.ts":
      "Check every open: each call and dial has the rights of its own moment, whatever an earlier one had",
  },
  "Tenants live in namespaces of their own and may refer only to what they brought": {
    "workloads/manifests.test.ts":
      "pods have no service account token and no links to Services, and belong to their Workload",
    "faults/attacker/attacks/specs.ts":
      "a spec with fields that the host does not know runs nowhere, whatever their depth",
  },
  "Strip the console's cookies and credentials; isolate origins, with another host for each app": {
    "console/app-host.test.ts":
      "keeps the app's own Authorization and strips a token of the console's, which opens nothing here",
    "console/app-path.test.ts": "lets nobody in without a valid token, and takes no cookie",
  },
  "The agent's own token is lent to nobody": {
    "faults/attacker/attacks/dials.ts": "Services, the Kubernetes API, addresses and undeclared ports are not dialled",
  },
  "Normalise the reference, then match": {
    "policy/image-pattern.test.ts": "an allow-list is no startsWith: what only begins alike is another image",
    "faults/attacker/attacks/images.ts": "no other way to write an image passes by the rules about images",
  },
  "One quantity parser, tested against Kubernetes": {
    "policy/quota.test.ts": "500M is no half a byte: the quota binds",
    "faults/attacker/attacks/quantities.ts": "a quota holds whatever way a quantity is written",
  },
  "One admission path for every change": {
    "workloads/admission.test.ts":
      "One admission path for every change: create, edit, scale, image, approval, policy and grant are judged by the same rules",
  },
  "Aggregate quotas count replicas": {
    "workloads/admission.test.ts": "Aggregate quotas count replicas",
  },
  "Hash, or do not store": {
    "peering/invite.test.ts": "tokens are 128 random bits, kept as a hash",
    "peering/refusals.test.ts": "no token and no hash of one is in the audit",
  },
  "Bound what a stranger can hold; probes elsewhere": {
    "link/acceptor.test.ts":
      "a flood of strangers holds no more than its bound, the oldest give way, and links are made and work on",
    "telemetry/server.test.ts": "a caller that never finishes its request does not keep the server from closing",
  },
  "Registries are named by policy": {
    "policy/image-pattern.test.ts": "a block-list misses no other name of the same image",
  },
  "Verify the leaf's signature under the pinned key": {
    "identity/verify.test.ts": "an attacker's leaf with the pinned CA appended",
    "faults/attacker/attacks/identity.ts": "a chain that holds another peer's CA proves nothing without that CA's key",
  },
  "Refuse a field that is not known, and name it": {
    "workloads/hostile.test.ts":
      "a wish with a field that the host does not know is refused with its path, and nothing runs",
  },
  "Prefix, and check the owner's mark": {
    "workloads/meddling.test.ts":
      "a namespace by the right name that carries no mark, or another peer's, is never used",
    "faults/attacker/attacks/guests.ts": "a joiner's own name for itself becomes nobody else's name, prefix or place",
  },
};

const state: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "Status is a resource that is watched": {
    "workloads/mirror.test.ts":
      "a link that is away for seconds says nothing; for longer the last status stays and is called unknown",
  },
  "A refusal is an answer: show it, and wait for change": {
    "workloads/admission.test.ts":
      "A refusal is an answer, not retried until something changed: then what was refused for want of room is asked again",
    "intent/sessions.test.ts":
      "a refusal is an answer: it is not tried again until the wish or the host's rules change",
  },
  "Never create identity on an error other than not-found": {
    "identity/identity.test.ts": "a read that fails makes no identity",
  },
  "One object, one writer, one version": {
    "workloads/admission.test.ts": "what is written of a Workload is written on exactly what was judged",
  },
  "Deletion needs a tombstone, never mere absence": {
    "intent/sessions.test.ts":
      "what is missing from a digest is an orphan and stays; a tombstone deletes and is answered",
  },
  "Every document of a file is read": {
    "base/document.test.ts": "every document is read, empty ones are not, and each knows its line",
  },
  "An earlier answer never overwrites a later one": {
    "workloads/mirror.test.ts": "a refusal of the present wish is shown, one of an earlier wish is not",
  },
  "Uninstalling deletes no definitions, and with them no app": {
    "charts/chart.test.ts": "definitions are in crds/, which Helm installs and never removes",
  },
  "Health is the age of the oldest unfinished work": {
    "base/keyed-worker.test.ts": "work that keeps failing ages from its first attempt",
  },
  "There is a way to leave a peer that is gone": {
    "peering/links.test.ts": "a peer that is away is removed by force, and refused when it comes",
  },
};

for (const [subject, rules] of Object.entries({ "trust and authorisation": trust, "state and delivery": state })) {
  test(`each rule about ${subject} is held by tests that exist`, () => {
    const missing = Object.entries(rules).flatMap(([rule, tests]) =>
      Object.entries(tests)
        .filter(
          ([file, title]) => !readFileSync(new URL(file, import.meta.url), "utf8").includes(JSON.stringify(title)),
        )
        .map(([file, title]) => `${rule}: ${file} has no test "${title}"`),
    );
    assert.deepEqual(missing, []);
  });
}
