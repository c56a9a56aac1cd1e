/** Datagrams where none belong: to what has none, on streams that are none, and in numbers. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Network, TargetSchema } from "../../../../src/gen/fairlead/wire/v1/target_pb.ts";
import { datagramFeature } from "../../../../src/wire/datagram-line.ts";
import { DialError, reasonName } from "../../../../src/wire/reason.ts";
import { until } from "../../../patience.ts";
import type { FrameInit, RawPeer } from "../../../wire/raw-peer.ts";
import type { Attack } from "../attack.ts";
import { type Attacker, patienceMs } from "../attacker.ts";
import { callOf } from "../wiretap.ts";

type Target = MessageInitShape<typeof TargetSchema>;

const facts = "/fairlead.peer.v1.MembershipService/GetFacts";

export const datagramAttacks: readonly Attack[] = [
  {
    name: "what has no datagrams is not dialled by UDP, whatever a policy opens",
    who: "peer",
    tries:
      "Dials each kind of target by UDP: the API, metrics, nodes, images, routes, offers, relays, and what is no target.",
    stops:
      "Of a kind that has no datagrams such a dial is refused before anybody looks at it; of others it reaches ports of UDP alone, and by the policy for these.",
    async attempt(ground) {
      await ground.policy({
        workloads: { accept: true },
        tunnels: { kubernetes: true, metrics: true, services: [{ namespace: "fairlead-system" }] },
        relay: { allow: true },
      });
      await ground.command(["peer", "grant", ground.name, "apps", "tunnels", "kubectl", "relay"]);
      const number = (value: number) => ({ value: { case: "number" as const, value } });
      const targets: Record<string, Target["kind"]> = {
        "the API": { case: "kubernetes", value: {} },
        metrics: { case: "metrics", value: {} },
        images: { case: "images", value: {} },
        "a relayed peer": { case: "relay", value: { fingerprint: new Uint8Array(32).fill(1) } },
        "a carrier": { case: "carrier", value: {} },
        "a route": { case: "route", value: { host: "shop.example.org", port: number(80) } },
        "an offer": { case: "reverse", value: { uid: "m-1", port: "web" } },
        "a node": { case: "node", value: { name: "node-b" } },
        nothing: { case: undefined },
        "a port of TCP": {
          case: "service",
          value: { namespace: "fairlead-system", name: "fairlead", port: number(8000) },
        },
        "an address": { case: "address", value: { name: "erp", port: number(53) } },
      };
      const outcomes: Record<string, string> = {};
      for (const [what, kind] of Object.entries(targets)) {
        const target: Target = { network: Network.UDP, ...(kind && { kind }) };
        outcomes[what] = (await dialBoth(ground.mallory, target)).join(" ");
      }
      await ground.serves();
      return outcomes;
    },
    expect: {
      "the API": "UNSUPPORTED UNSUPPORTED",
      metrics: "UNSUPPORTED UNSUPPORTED",
      images: "UNSUPPORTED UNSUPPORTED",
      "a relayed peer": "UNSUPPORTED UNSUPPORTED",
      "a carrier": "UNSUPPORTED UNSUPPORTED",
      "a route": "UNSUPPORTED UNSUPPORTED",
      "an offer": "UNSUPPORTED UNSUPPORTED",
      "a node": "UNSUPPORTED UNSUPPORTED",
      nothing: "UNSUPPORTED UNSUPPORTED",
      "a port of TCP": "NOT_FOUND NOT_FOUND",
      "an address": "DENIED DENIED",
    },
    audit: [{ action: "tunnel.open", verdict: "denied" }],
  },
  {
    name: "datagrams on streams that are none, or that carry something else, are lost, and whoever sends too much is cut",
    who: "peer",
    tries:
      "Sends datagrams on streams that were never opened, are over, or carry calls, with the numbers of others, longer than there are, and 20,000 at once.",
    stops:
      "A datagram goes where a stream for datagrams stands and is lost anywhere else; it holds nothing, and frames have their bounds.",
    async attempt(ground) {
      const tries: Record<string, (peer: RawPeer, first: number) => void> = {
        "of a stream that was never opened": (peer, first) => peer.send(datagram(first + 100)),
        "with a number of the host's": (peer, first) => peer.send(datagram(first === 1 ? 1_002 : 1_001)),
        "of stream 0": (peer) => peer.send(datagram(0)),
        "on a call": (peer, first) => peer.send(callOf(first, facts), datagram(first)),
        "behind its end": (peer, first) =>
          peer.send(callOf(first, facts), { stream: BigInt(first), kind: { case: "end", value: {} } }, datagram(first)),
        "behind its reset": (peer, first) =>
          peer.send(
            callOf(first, facts),
            { stream: BigInt(first), kind: { case: "reset", value: { reason: 1 } } },
            datagram(first),
          ),
        "on a dial by TCP": (peer, first) => peer.send(dialOf(first, Network.TCP), datagram(first)),
        "behind a refusal": (peer, first) => {
          peer.send(dialOf(first, Network.UDP));
          for (let count = 0; count < 20_000; count += 1) peer.send(datagram(first));
        },
        "longer than there are": (peer, first) => peer.send(dialOf(first, Network.UDP), datagram(first, 65_508)),
        "longer than a frame": (peer, first) => peer.send(dialOf(first, Network.UDP), datagram(first, 1 << 20)),
      };
      const outcomes: Record<string, string> = {};
      for (const [what, act] of Object.entries(tries)) {
        const { peer, first } = await ground.mallory.rawSession([datagramFeature]);
        act(peer, first);
        peer.send({ kind: { case: "ping", value: {} } });
        outcomes[what] = await until("the host answers, or ends it", () => endOf(peer));
        peer.carrier.destroy();
      }
      await ground.serves();
      return outcomes;
    },
    expect: {
      "of a stream that was never opened": "PROTOCOL",
      "with a number of the host's": "PROTOCOL",
      "of stream 0": "PROTOCOL",
      "on a call": "goes on",
      "behind its end": "goes on",
      "behind its reset": "goes on",
      "on a dial by TCP": "goes on",
      "behind a refusal": "goes on",
      "longer than there are": "goes on",
      "longer than a frame": "FRAME_TOO_LARGE",
    },
  },
];

/** As a stream of bytes, and as one of datagrams. */
async function dialBoth(mallory: Attacker, target: Target): Promise<string[]> {
  const session = await mallory.session();
  const signal = AbortSignal.timeout(patienceMs);
  const dials = [
    async () => (await session.dial(create(TargetSchema, target), { signal })).on("error", () => undefined).destroy(),
    async () => (await session.dialDatagrams(create(TargetSchema, target), { signal })).close(),
  ];
  const outcomes: string[] = [];
  for (const dial of dials) {
    try {
      await dial();
      outcomes.push("open");
    } catch (error) {
      if (!(error instanceof DialError)) throw error;
      outcomes.push(reasonName(error.reason));
    }
  }
  return outcomes;
}

function datagram(stream: number, bytes = 100): FrameInit {
  return { stream: BigInt(stream), kind: { case: "datagram", value: new Uint8Array(bytes) } };
}

function dialOf(stream: number, network: Network): FrameInit {
  const target: Target = { network, kind: { case: "service", value: { namespace: "shop", name: "nobody" } } };
  return { stream: BigInt(stream), kind: { case: "open", value: { what: { case: "dial", value: { target } } } } };
}

function endOf({ heard, closed }: RawPeer): string | undefined {
  for (const { kind } of heard) {
    if (kind.case === "close") return reasonName(kind.value.reason);
    if (kind.case === "pong") return "goes on";
  }
  return closed ? "cut" : undefined;
}
