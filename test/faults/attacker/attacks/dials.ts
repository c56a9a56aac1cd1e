/** Dials of what a peer may not reach: Services, the API, addresses by name, ports that no app declares. */
import { Network } from "../../../../src/gen/fairlead/wire/v1/target_pb.ts";
import { reasonName } from "../../../../src/wire/reason.ts";
import { type Attack, ownApp } from "../attack.ts";
import { type Attacker, wish } from "../attacker.ts";
import { callOf } from "../wiretap.ts";

type Target = Parameters<Attacker["dial"]>[0];

export const dialAttacks: readonly Attack[] = [
  {
    name: "Services, the Kubernetes API, addresses and undeclared ports are not dialled",
    who: "peer",
    tries:
      "Dials Services and the API server of the host, node metadata and other addresses by name, kubelet ports, UDP.",
    stops:
      "A dial names one of the caller's own apps and a port that this declares; a Service or the API only if a policy names it. Nothing in it is an address.",
    async attempt({ mallory }) {
      const talk = await mallory.converse();
      const ports = [{ name: "http", containerPort: 8080 }];
      talk.say(wish({ uid: "m-dial", spec: { image: "fairlead.dev/echo:1", replicas: 0, ports } }));
      await talk.outcome("m-dial");
      await talk.close();
      const targets: Record<string, Target> = {
        "the API": { kind: { case: "kubernetes", value: {} } },
        "the API by its Service": service("default", "kubernetes", 443),
        "alice's Service": service("fairlead-peer-alice", "alice", 8080),
        "the agent's console": service("fairlead-system", "fairlead", 8000),
        "no target at all": { kind: { case: undefined } },
        UDP: { ...app("shop", "web", 8080), network: Network.UDP },
        "node metadata": app("169.254.169.254", "latest"),
        "node metadata as a name": app("shop", "169.254.169.254", 80),
        "the API server by its name": app("default", "kubernetes.default.svc", 443),
        loopback: app("shop", "127.0.0.1", 8000),
        "IPv6 loopback": app("shop", "::1", 8000),
        "a name with a port": app("shop", "web:10250"),
        "a name with a path": app("shop", "web/../../alice"),
        "a path as a namespace": app("../fairlead-peer-alice", "alice"),
        "the namespace of alice here": app("fairlead-peer-alice", "alice"),
        "a kubelet's port of its own app": app("shop", "web", 10_250),
        "port 0": app("shop", "web", 0),
        "port 65,536": app("shop", "web", 65_536),
        "a port by a name that it has not": {
          kind: {
            case: "workload",
            value: { namespace: "shop", name: "web", port: { value: { case: "name", value: "kubelet" } } },
          },
        },
        "a port's number as its name": {
          kind: {
            case: "workload",
            value: { namespace: "shop", name: "web", port: { value: { case: "name", value: "10250" } } },
          },
        },
        "its own app by another's UID": {
          kind: { case: "workload", value: { namespace: "shop", name: "web", uid: "m-other" } },
        },
      };
      const outcomes: Record<string, string> = {};
      for (const [what, target] of Object.entries(targets)) {
        outcomes[what] = (await mallory.dial(target)).replace(/:.*$/s, "");
      }
      return outcomes;
    },
    audit: [{ action: "tunnel.open", verdict: "denied" }],
    expect: {
      "the API": /^(UNSUPPORTED|DENIED)$/,
      "the API by its Service": /^(UNSUPPORTED|DENIED)$/,
      "alice's Service": /^(UNSUPPORTED|DENIED)$/,
      "the agent's console": /^(UNSUPPORTED|DENIED)$/,
      "no target at all": "UNSUPPORTED",
      UDP: "NOT_FOUND",
      "node metadata": "NOT_FOUND",
      "node metadata as a name": "NOT_FOUND",
      "the API server by its name": "NOT_FOUND",
      loopback: "NOT_FOUND",
      "IPv6 loopback": "NOT_FOUND",
      "a name with a port": "NOT_FOUND",
      "a name with a path": "NOT_FOUND",
      "a path as a namespace": "NOT_FOUND",
      "the namespace of alice here": "NOT_FOUND",
      "a kubelet's port of its own app": "NOT_FOUND",
      "port 0": "NOT_FOUND",
      "port 65,536": "NOT_FOUND",
      "a port by a name that it has not": "NOT_FOUND",
      "a port's number as its name": "NOT_FOUND",
      "its own app by another's UID": "NOT_FOUND",
    },
    leaves: ownApp,
  },
  {
    name: "frames that are out of order, too long or no frames end the session and nothing else",
    who: "peer",
    tries:
      "Sends lengths of 2^63, cut frames, noise, a second hello, a resume of another's session, streams with the wrong numbers, data beyond its credit.",
    stops:
      "Each frame is bounded before it is read and allowed only where it belongs; whoever breaks that loses the session.",
    async attempt(ground) {
      const { mallory } = ground;
      const session = new Uint8Array(16).fill(1);
      const tries: Record<string, (peer: Awaited<ReturnType<Attacker["raw"]>>, first: number) => void> = {
        "a length of 2^63": (peer) => peer.sendBytes(Buffer.from([255, 255, 255, 255, 255, 255, 255, 255, 127, 0])),
        "a frame of 1 GiB": (peer) => peer.sendBytes(Buffer.from([128, 128, 128, 128, 4, 0])),
        noise: (peer) => peer.sendBytes(Buffer.alloc(4_096, 0xa5)),
        "a second hello": (peer) => peer.send({ kind: { case: "hello", value: { instance: session } } }),
        "a resume of another's session": (peer) =>
          peer.send({ kind: { case: "resume", value: { session, carrier: 2n, received: 0n } } }),
        "a stream of the host's number": (peer, first) => peer.send(callOf(first === 1 ? 2 : 1, "/x")),
        "stream 0": (peer) => peer.send(callOf(0, "/x")),
        "a stream twice": (peer, first) => peer.send(callOf(first, "/x"), callOf(first, "/x")),
        "data of a stream that was never opened": (peer, first) =>
          peer.send({ stream: BigInt(first + 100), kind: { case: "data", value: new Uint8Array(10) } }),
      };
      const outcomes: Record<string, string> = {};
      for (const [what, act] of Object.entries(tries)) {
        const { peer, first } = await mallory.rawSession();
        act(peer, first);
        const close = await peer.hear("close");
        outcomes[what] = reasonName(close.kind.value.reason);
        peer.carrier.destroy();
      }
      return outcomes;
    },
    expect: {
      "a length of 2^63": "MALFORMED",
      "a frame of 1 GiB": "FRAME_TOO_LARGE",
      noise: "MALFORMED",
      "a second hello": "PROTOCOL",
      "a resume of another's session": "PROTOCOL",
      "a stream of the host's number": "PROTOCOL",
      "stream 0": "PROTOCOL",
      "a stream twice": "PROTOCOL",
      "data of a stream that was never opened": "PROTOCOL",
    },
  },
];

function app(namespace: string, name: string, port?: number): Target {
  const value = {
    namespace,
    name,
    ...(port !== undefined && { port: { value: { case: "number" as const, value: port } } }),
  };
  return { kind: { case: "workload", value } };
}

function service(namespace: string, name: string, port: number): Target {
  return { kind: { case: "service", value: { namespace, name, port: { value: { case: "number", value: port } } } } };
}
