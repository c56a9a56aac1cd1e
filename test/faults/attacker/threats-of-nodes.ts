/** Who may try what with nodes that a policy opens, what stops them, and which test proves it. */
import type { Threat } from "./threats.ts";

export const threatsOfNodes: readonly Threat[] = [
  {
    who: "peer",
    tries:
      "Asks a kubelet that it may read to run a program, or for pods, logs and configuration: `/exec`, `/run`, `/pods`, `..`, other methods, an upgrade, a second request behind the first.",
    stops:
      "Six paths are known, to the letter, for GET and HEAD; of a request nothing goes on but which of them is meant. No right by which a kubelet does anything is given to anybody.",
    test: {
      file: "test/tunnel/nodes.test.ts",
      name: "a peer that asks a kubelet for more than it tells gets no further: no pods, no programs, no logs, whatever the path looks like",
    },
  },
  {
    who: "peer",
    tries: "Reads another node than the policy names, or finds out which nodes there are.",
    stops: "Names are judged before anything is looked up, and a node without the labels of a rule is as none.",
    test: {
      file: "test/tunnel/nodes.test.ts",
      name: "a node that the policy does not name is refused before it is looked up, and one without the labels is as none",
    },
  },
  {
    who: "peer",
    tries: "Wears kubelets out, or holds what it may read no longer.",
    stops:
      "Eight requests of a peer at a time, a minute for each; each is judged by itself, and what is open ends with the right.",
    test: {
      file: "test/tunnel/node-server.test.ts",
      name: "no more than eight requests of a peer are under way, and one that takes a minute is broken off",
    },
  },
  {
    who: "neighbour",
    tries: "Has a node lead to loopback, to a cloud's metadata or to the API server, to have the agent ask there.",
    stops: "No address is connected to where no peer is led, whatever a node says of itself.",
    test: {
      file: "test/kube/kubelets.test.ts",
      name: "a kubelet is at the first internal address of its node to which a peer may be led, at the port that the node says",
    },
  },
  {
    who: "network",
    tries: "Answers in the place of a kubelet, to get the agent's token.",
    stops:
      "A token is shown only to who proves the node's address, and it is never the agent's own: it reads kubelets, does nothing else, and lasts ten minutes.",
    test: {
      file: "test/kube/kubelets.test.ts",
      name: "whoever does not prove to be the kubelet at this address is shown no token, and not a byte",
    },
  },
];
