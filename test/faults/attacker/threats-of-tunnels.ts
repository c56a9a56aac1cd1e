/** Who may try what with datagrams, Forwards in both directions, routes, and what a peer is told that there is. */
import type { Threat } from "./threats.ts";

const offering = "test/tunnel/forwards/offering.test.ts";
const reverse = "test/tunnel/forwards/reverse.test.ts";
const range = "test/tunnel/forwards/port-range.test.ts";
const routes = "test/tunnel/routes.test.ts";
const offers = "test/tunnel/offers.test.ts";
const forwardsOnClusters = "test/e2e/forwards.e2e.ts";

export const threatsOfTunnels: readonly Threat[] = [
  {
    who: "peer",
    tries: "Floods what it may reach with datagrams, to take room and the line from streams.",
    stops:
      "A datagram waits nowhere for long: what is too much is dropped. Flows are connections and as few, and of the rate they have half.",
    test: {
      file: "test/tunnel/datagram-flood.test.ts",
      name: "a flood of datagrams from more addresses than there may be flows takes bounded room all the way, and a stream beside it comes whole",
    },
  },
  {
    who: "neighbour",
    tries:
      "Sends a datagram from each of thousands of addresses, so that each causes a dial and none of others' flows lasts.",
    stops: "So many are opened at a time and no more, and no flow ends for another's before it was of use.",
    test: {
      file: "test/base/datagram-listener.test.ts",
      name: "no flow ends for another before it is open, and no more are opened at a time than there is room for",
    },
  },
  {
    who: "neighbour",
    tries: "Sends a datagram from port 0, so that its answer breaks the session that others are on.",
    stops: "What cannot be answered begins no flow, and an answer that cannot be sent is lost alone.",
    test: {
      file: "test/base/datagram-listener.test.ts",
      name: "what comes from port 0, where nothing can be answered, begins no flow; and an answer that cannot be sent harms nobody",
    },
  },
  {
    who: "neighbour",
    tries: "Fills the agent's memory with datagrams for flows that a peer is slow to take.",
    stops: "Each flow is sure of 2 KiB while it is being opened; what waits beyond that has 2 MiB of all together.",
    test: {
      file: "test/base/datagram-listener.test.ts",
      name: "what waits for flows that are being opened has room in one for all that listen, beside a little of each",
    },
  },
  {
    who: "neighbour",
    tries: "Opens flows towards a peer that never answers, until nobody else's is taken.",
    stops: "One that nobody answers is given up after half a minute, and told.",
    test: {
      file: "test/base/datagram-listener.test.ts",
      name: "flows that nobody answers keep others out for half a minute and no longer, and one that comes later ends at once",
    },
  },
  {
    who: "peer",
    tries:
      "Dials back what another was offered, what is offered no more, or another port of the Service behind the offer.",
    stops:
      "An offer is dialled by its UID and the name of a port of it, by the peer that it was made to, for as long as it stands; nothing in it is an address.",
    test: {
      file: offering,
      name: "a peer finds what is offered to it, by its UID and the name of its port, and nothing else",
    },
  },
  {
    who: "peer",
    tries: "Has Services made here that no policy lets be, or that take the place of others.",
    stops:
      "Each offer is judged by the policy, with its ports; it becomes a Service in the peer's own namespace, and one that stands there by that name stays.",
    test: {
      file: reverse,
      name: "nothing is made there while no policy lets it, and the status says which rule stands against it",
    },
  },
  {
    who: "removed peer",
    tries: "Goes on having what it offered connected to, after the policy has taken that back.",
    stops: "Its Service goes, and what is open ends at once.",
    test: { file: reverse, name: "when the policy takes it back, what is open ends at once and the Service goes" },
  },
  {
    who: "neighbour",
    tries: "Offers a peer a Service of another namespace, by a Forward in its own.",
    stops: "A Forward offers what is in its own namespace alone.",
    test: {
      file: reverse,
      name: "a Forward offers nothing of another namespace, and none of a name that an older one offers",
    },
  },
  {
    who: "neighbour",
    tries: "Waits for a port of a Forward that was given back, to be led to what the next one leads to.",
    stops: "A port is nobody else's before nothing leads there any more.",
    test: {
      file: range,
      name: "a port that is closed is nobody else's before its owner says that nothing leads there",
    },
  },
  {
    who: "neighbour",
    tries:
      "Has the agent turn Services of others elsewhere by a Forward of their name, or uses its right to write Services for something else.",
    stops:
      "What was not made for the Forward stays as it is, and the cluster itself refuses the agent every Service and EndpointSlice that leads anywhere but to the agent.",
    test: {
      file: forwardsOnClusters,
      name: "the cluster keeps the agent from any other Service and EndpointSlice, also where it may write",
    },
  },
  {
    who: "peer",
    tries: "Finds out which routes there are, or reaches by one host what another namespace's route leads to.",
    stops:
      "Hosts are judged before any route is looked at, and are looked for only where the rule that names them says.",
    test: {
      file: routes,
      name: "what no policy names is refused before any route is looked at, and one rule's host is not looked for in another's namespaces",
    },
  },
  {
    who: "peer",
    tries: "Names an address, a path or something with control characters as the host of a route.",
    stops: "A host is a name in DNS, which is looked up nowhere but among routes.",
    test: { file: routes, name: "names that are no hosts are refused as they come off the wire" },
  },
  {
    who: "peer",
    tries: "Asks what there is, to learn of Services and names that it may not reach.",
    stops:
      "It is told of what a policy opens to it, and nothing is looked at without the grant; how often it may ask is bounded.",
    test: {
      file: offers,
      name: "without the grant, the policy or the time for it nothing is looked at, and nothing is told",
    },
  },
  {
    who: "host",
    tries: "Tells of targets without end, or of ones that are none, to fill the asking agent or a terminal.",
    stops: "What a peer tells is cut at bounds of number and length, and only what reads as a target is shown.",
    test: { file: offers, name: "a peer that says too much, nonsense, or goes on for ever is heard within bounds" },
  },
];
