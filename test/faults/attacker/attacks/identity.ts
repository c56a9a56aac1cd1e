/** Attempts to be somebody else: by certificates, by what was seen on the wire, by claims in messages and headers. */
import type { KubeConnection } from "../../../../src/kube/connect.ts";
import { peers } from "../../../../src/kube/resources.ts";
import { Reason } from "../../../../src/wire/reason.ts";
import { newAuthority, newLeaf, twinOf } from "../../../identity/forge-chain.ts";
import { type Attack, ownApp } from "../attack.ts";
import { begin, nothingHeld, wish } from "../attacker.ts";
import { tryWishes } from "../attempts.ts";
import { openForged, Recorder, replay, resume } from "../wiretap.ts";

export const identityAttacks: readonly Attack[] = [
  {
    name: "a chain that holds another peer's CA proves nothing without that CA's key",
    who: "network",
    tries:
      "Shows a certificate of its own with another peer's CA behind it, a CA that bears the other's names, or a leaf that names the other.",
    stops:
      "The leaf's signature must verify under the CA whose key's hash is the fingerprint; names in certificates say nothing.",
    async attempt(ground) {
      const now = Date.now();
      const own = newAuthority(now);
      const alicesCa = await caOf(ground.host.kube, "alice");
      const twin = twinOf({ ...own, subject: `fairlead ${ground.alice.agent.fingerprint.slice(0, 32)}` }, now);
      const leaf = newLeaf(own, now);
      const named = newLeaf(own, now, { names: [{ uri: `fairlead:agent:${ground.alice.agent.fingerprint}` }] });
      const ofTwin = newLeaf(twin, now);
      const expired = newLeaf(own, now, { notAfter: new Date(now - 1_000) });
      const chains = {
        "own leaf, alice's CA": { key: leaf.keyPem, cert: leaf.pem + alicesCa },
        "own leaf, alice's CA before its own": { key: leaf.keyPem, cert: leaf.pem + alicesCa + own.certPem },
        "own leaf, its own CA, alice's CA": { key: leaf.keyPem, cert: leaf.pem + own.certPem + alicesCa },
        "a CA with alice's names": { key: ofTwin.keyPem, cert: ofTwin.pem + twin.certPem },
        "a leaf with alice's name": { key: named.keyPem, cert: named.pem + own.certPem },
        "an expired leaf": { key: expired.keyPem, cert: expired.pem + own.certPem },
        "no CA": { key: leaf.keyPem, cert: leaf.pem },
      };
      const outcomes: Record<string, string> = {};
      for (const [what, chain] of Object.entries(chains)) outcomes[what] = await openForged(ground.address, chain);
      return outcomes;
    },
    audit: [{ action: "stream.open", verdict: "denied", peer: null, rule: "guest" }],
    expect: {
      "own leaf, alice's CA": "cut",
      "own leaf, alice's CA before its own": "cut",
      // Taken for what they prove, which is a key that nobody here knows.
      "own leaf, its own CA, alice's CA": "a guest",
      "a CA with alice's names": "a guest",
      "a leaf with alice's name": "a guest",
      "an expired leaf": "cut",
      "no CA": "cut",
    },
  },
  {
    name: "the bytes of another peer's link, sent once more, open nothing",
    who: "network",
    tries:
      "Records all bytes of another peer's link, with its calls, and sends them again, in whole or from the middle.",
    stops: "Mutual TLS 1.3 with fresh keys for each connection, on both sides; nothing below it is believed.",
    async attempt({ host, mallory }) {
      const port = host.agent.ports.link;
      const recorder = new Recorder(port);
      const link = await mallory.link({ url: await recorder.listen() });
      const talk = await mallory.converse([begin, nothingHeld, wish({ uid: "m-replayed" })]);
      await talk.outcome("m-replayed");
      await talk.close();
      link.close({ reason: Reason.SHUTDOWN, message: "" });
      await link.closed;
      recorder.close();
      const [upgrade = Buffer.alloc(0), ...bytes] = recorder.pieces;
      return {
        "the whole": await replay(port, [upgrade, ...bytes]),
        "all but the handshake": await replay(port, [upgrade, ...bytes.slice(1)]),
        "each piece twice": await replay(port, [upgrade, ...bytes.flatMap((piece) => [piece, piece])]),
      };
    },
    expect: { "the whole": "cut", "all but the handshake": "cut", "each piece twice": "cut" },
    leaves: ownApp,
  },
  {
    name: "an earlier TLS session cannot be taken up again",
    who: "network",
    tries: "Resumes a TLS session, which would skip the proof of the key.",
    stops: "A resumed session is refused, whatever it says: only a whole handshake proves a key.",
    async attempt({ address, mallory }) {
      return { "a session that is offered again": await resume(address, mallory.identity) };
    },
    expect: { "a session that is offered again": /^(cut|proved anew)$/ },
  },
  {
    name: "claims in messages, headers and hellos make nobody another",
    who: "peer",
    tries:
      "Says in headers, in the metadata of dials, in its hello or in a wish that it is another peer, the operator or the agent itself.",
    stops: "Who calls is the fingerprint that TLS has proved on that link. No field of a message is asked for it.",
    async attempt(ground) {
      const { mallory, alice } = ground;
      const headers = new Headers({
        "fairlead-peer": "alice",
        "x-fairlead-fingerprint": alice.agent.fingerprint,
        "impersonate-user": "system:admin",
        "x-forwarded-for": "127.0.0.1",
        "x-remote-user": "system:admin",
        authorization: `Bearer ${ground.host.token}`,
      });
      const app = { case: "workload", value: { namespace: "default", name: "alice" } } as const;
      return {
        "a dial with alice's name in its metadata": await mallory.dial({ kind: app }, headers),
        "a call with the operator's token": await mallory.call(
          "/fairlead.console.v1.PeerService/ListPeers",
          [],
          headers,
        ),
        ...(await tryWishes(mallory, {
          "a wish from the host's own namespace": { namespace: "fairlead-system", name: "fairlead" },
          "a wish from alice's namespace here": { namespace: "fairlead-peer-alice", name: "alice" },
        })),
      };
    },
    audit: [
      { action: "tunnel.open", verdict: "denied" },
      { action: "app.admit", verdict: "allowed" },
    ],
    expect: {
      "a dial with alice's name in its metadata": /^NOT_FOUND: /,
      "a call with the operator's token": "Unimplemented",
      // Names of the origin's own are only names: it runs in the attacker's namespace.
      "a wish from the host's own namespace": "runs",
      "a wish from alice's namespace here": "runs",
    },
    leaves: ownApp,
  },
];

/** What the host keeps of a peer, which is no secret. */
async function caOf({ client }: KubeConnection, name: string): Promise<string> {
  const peer = await client.get(peers, { namespace: "fairlead-system", name }, AbortSignal.timeout(60_000));
  return peer?.spec.caCertificate ?? "";
}
