/**
 * Every setting of an agent, declared once: its type, default and meaning. `config.ts` reads them, and the reference in
 * docs/configuration.md is generated from here. A setting that no code reads fails a test.
 */
import {
  address,
  bytes,
  choice,
  duration,
  flag,
  integer,
  issuer,
  optional,
  portRange,
  proxy,
  registryName,
  roleRules,
  targets,
  text,
  url,
} from "./config-setting.ts";
import { type LogLevel, logLevels } from "./telemetry/log-level.ts";

export const schema = {
  name: optional(
    text({
      doc: "Name of this agent, suggested to peers and shown in the console. Without one: the kubeconfig's context, in a pod cluster- and the first digits of its fingerprint.",
    }),
  ),
  log: {
    level: {
      ...choice<LogLevel>(logLevels, "info", "How much the agent logs. Changes while it runs, on SIGHUP."),
      live: true,
    },
  },
  kube: {
    kubeconfig: optional(
      text({ doc: "Kubeconfig file. Without one: the pod's service account, else KUBECONFIG, else ~/.kube/config." }),
    ),
    context: optional(text({ doc: "Context of the kubeconfig. Without one: its current context." })),
    namespace: optional(
      text({ doc: "Namespace of the agent's own objects. Without one: the pod's, else fairlead-system." }),
    ),
    tenantRole: optional(
      text({
        doc: "ClusterRole that the agent binds to itself in the namespace of each peer, as the chart has it. Without one, the agent's rights must reach there already.",
      }),
    ),
  },
  standalone: {
    enabled: flag({
      fallback: false,
      doc: "This agent stands in no cluster: it keeps what is its own in a directory, and offers peers what standalone.targets names. Also --standalone.",
    }),
    directory: {
      ...text({
        fallback: "/var/lib/fairlead",
        doc: "Directory in which an agent without a cluster keeps its identity, its peers and its audit; nobody else may read it. Also --state and FAIRLEAD_STATE.",
      }),
      sharedEnv: ["FAIRLEAD_STATE", "STATE_DIRECTORY"],
    },
    targets: {
      ...targets(
        "What an agent without a cluster offers: a list, each with a name, host (127.0.0.1 unless said), port or ports, protocol (TCP, UDP or HTTP; TCP unless said), and peers: the names of those that may reach it, or * for all; nobody unless said. Changes while it runs, on SIGHUP.",
      ),
      live: true,
    },
    policies: {
      ...optional(
        text({
          doc: "File with PeerPolicies, or folder of such, for an agent without a cluster; read again on SIGHUP. Without one no policy counts but what standalone.targets says.",
        }),
      ),
      live: true,
    },
  },
  console: {
    host: text({ fallback: "127.0.0.1", doc: "Address on which the console and its API listen." }),
    port: integer({ fallback: 8000, least: 0, most: 65_535, doc: "Port of the console; 0 takes a free one." }),
    domain: text({
      fallback: "localhost",
      doc: "Apps are shown on hosts below this domain, as <app>-<namespace>-<port>.<domain>. Browsers resolve *.localhost by themselves.",
    }),
    url: optional(
      url(["https:"], {
        doc: "URL at which people and their programs reach the console, as kubeconfigs name it: fairlead kubeconfig. Its host is a name of the certificate by the agent's CA.",
      }),
    ),
    certFile: optional(
      text({
        doc: "PEM file with the certificate that the console shows to clients that speak TLS, and the chain behind it; looked at each 30 s. Without one: a certificate by the agent's own CA.",
      }),
    ),
    keyFile: optional(text({ doc: "PEM file with the key of console.certFile." })),
    oidc: {
      issuer: optional(
        issuer({
          doc: "URL of a provider of OpenID Connect at which people sign in to the console; what it says of itself is at /.well-known/openid-configuration below. It sends them back to /sign-in/oidc/callback of the console. Without one: only users of this agent sign in.",
        }),
      ),
      name: text({ fallback: "single sign-on", doc: "What the provider is called on the button that leads there." }),
      clientId: text({ fallback: "fairlead", doc: "What this console is called at the provider." }),
      clientSecretFile: optional(
        text({
          doc: "File with the secret that the provider has given to this client, read anew for each sign-in. Without one: a public client, which PKCE protects.",
        }),
      ),
      caFile: optional(
        text({
          doc: "PEM file of roots under which the provider's certificate verifies, instead of the public ones; read anew for each request to it.",
        }),
      ),
      scopes: text({
        fallback: "openid profile email",
        doc: "What the provider is asked for, separated by spaces; openid is among it.",
      }),
      usernameClaim: text({
        fallback: "email",
        doc: "Claim of the ID token by which people are called here; of email only what the provider says is verified.",
      }),
      trustEmail: flag({
        fallback: false,
        doc: "Take addresses for people's names of which the provider does not say that they are verified: only where nobody can choose their own.",
      }),
      groupsClaim: text({ fallback: "groups", doc: "Claim of the ID token with the groups that they are in." }),
      roles: roleRules(
        "Who may do what of those that the provider knows: a list, each with a group or a user, a role (viewer, operator or admin), and peers, without which it is for all peers and the agent itself. Who is named by none is not let in.",
      ),
    },
    kubernetes: {
      roles: roleRules(
        "Who may do what of those that come with a token of the cluster for the audience fairlead.dev: a list, each with a group or a user as Kubernetes calls them (system:serviceaccount:ci:deployer, system:serviceaccounts:ci), a role (viewer, operator or admin), and peers, without which it is for all peers and the agent itself. While it is empty no such token counts.",
      ),
    },
    peerRequestsPerSecond: optional(
      integer({
        fallback: 0,
        least: 1,
        most: 1_000_000,
        doc: "HTTP requests that the doors ask of one peer in a second, of all who come together; as many as that may come at once. Without one: as many as come.",
      }),
    ),
    peerBytesPerSecond: optional(
      bytes({
        doc: "Bytes of HTTP that pass between the doors and one peer in a second, both ways together. Without one: as many as pass.",
      }),
    ),
  },
  link: {
    host: text({ fallback: "0.0.0.0", doc: "Address on which peers' links are accepted." }),
    port: integer({
      fallback: 8001,
      least: 0,
      most: 65_535,
      doc: "Port on which peers' links are accepted; 0 takes a free one.",
    }),
    url: optional(
      url(["ws:", "wss:", "http:", "https:"], {
        doc: "URL at which peers reach this agent, written into invites. Without one this agent only dials, and cannot invite.",
      }),
    ),
    httpProxy: {
      ...optional(proxy({ doc: "Proxy for links to ws:// URLs, asked by CONNECT." })),
      sharedEnv: ["HTTP_PROXY", "http_proxy"],
    },
    httpsProxy: {
      ...optional(proxy({ doc: "Proxy for links to wss:// URLs, asked by CONNECT." })),
      sharedEnv: ["HTTPS_PROXY", "https_proxy"],
    },
    noProxy: {
      ...optional(
        text({
          doc: "Hosts that are dialled without a proxy, separated by commas: a name (with all below it), .suffix (only what is below), an address, a network such as 10.0.0.0/8, each with :port if only that is meant; or * for all.",
        }),
      ),
      sharedEnv: ["NO_PROXY", "no_proxy"],
    },
    caFile: optional(
      text({
        doc: "PEM file of roots to trust for the outer TLS of wss:// URLs, instead of the public ones. Who a peer is does not depend on it.",
      }),
    ),
    insecure: flag({
      fallback: false,
      doc: "Accept any certificate on the outer TLS of wss:// URLs. The TLS inside is verified all the same; observers may learn whom this agent talks to.",
    }),
    memory: optional(
      bytes({
        doc: "Memory that peers may make this agent use by what they send and nobody reads yet, over all links. Without it: a quarter of the memory that the agent may use.",
      }),
    ),
    maxLinks: integer({
      fallback: 4_096,
      least: 1,
      most: 100_000,
      doc: "Links accepted at a time; who wants one more is turned away.",
    }),
    maxStrangers: integer({
      fallback: 256,
      least: 1,
      most: 100_000,
      doc: "Connections accepted at a time of which it is not known yet whose they are; who has not come further for longest is cut for a newer one. Each can cost 100 KiB.",
    }),
    maxStrangersPerAddress: integer({
      fallback: 128,
      least: 1,
      most: 100_000,
      doc: "The same from one IPv4 address, or one /64 of IPv6. All that come through one ingress share its address: behind one, set it to what link.maxStrangers is.",
    }),
    maxStrangersPerRelay: integer({
      fallback: 16,
      least: 1,
      most: 25_000,
      doc: "Connections of which it is not known yet whose they are, and that one peer brings as a relay; four times as many through all. They are counted apart from link.maxStrangers.",
    }),
    handshakeTime: duration({
      fallback: 10_000,
      least: 1_000,
      doc: "How long a connection that was accepted may take to become a link, whatever it says meanwhile.",
    }),
    maxStreams: integer({
      fallback: 16_384,
      least: 16,
      most: 1_000_000,
      doc: "Streams (calls, connections to apps) that one peer may have open here at a time; one more is refused.",
    }),
    maxOpensPerSecond: integer({
      fallback: 20_000,
      least: 100,
      most: 1_000_000,
      doc: "Streams that one peer may open in a second, with as many again at once after a pause; one more is refused.",
    }),
    maxResetsPerSecond: integer({
      fallback: 20_000,
      least: 100,
      most: 1_000_000,
      doc: "Streams in a second that one peer may reset, or give cause to reset, with as many again at once; one more ends its link.",
    }),
    memoryPerLink: bytes({
      fallback: 64 * 2 ** 20,
      doc: "What link.memory is for all links, for one: memory that one peer may make this agent use by what it sends and nobody reads yet.",
    }),
  },
  images: {
    registry: optional(
      registryName({
        doc: "What this cluster's nodes call the port below, such as localhost:30500: images that peers bring along are pulled there, and the chart sets it. Without it nothing listens, and no peer can bring images (imagePull: ThroughOrigin).",
      }),
    ),
    way: choice(
      ["NodePort", "HostPort"],
      "NodePort",
      "How the nodes reach that port: through a Service's NodePort, or through a relay on each node. Only the doctor asks.",
    ),
    host: text({ fallback: "0.0.0.0", doc: "Address on which nodes are answered." }),
    port: integer({
      fallback: 8003,
      least: 0,
      most: 65_535,
      doc: "Port on which nodes pull the images that peers bring along; 0 takes a free one.",
    }),
  },
  forwards: {
    address: optional(
      address({
        doc: "Address of this agent that pods of its cluster reach, on which Forwards are listened for, and to which their Services lead; the chart sets it to the pod's. Without it no Forward has a Service.",
      }),
    ),
    ports: portRange({
      fallback: { first: 20_000, last: 20_999 },
      doc: "Ports of that address which Forwards use, one for each of their ports. The chart's admission policy lets the agent lead Services to no others.",
    }),
  },
  nodes: {
    serviceAccount: text({
      fallback: "fairlead-nodes",
      doc: "ServiceAccount, in the agent's namespace, in whose name kubelets are asked for peers (tunnels.nodes of a PeerPolicy), by tokens of ten minutes; the chart makes it. The agent's own token is shown to no node.",
    }),
    caFile: optional(
      text({
        doc: "PEM file of roots under which kubelets' certificates verify. Without one: the CA by which the API server is known.",
      }),
    ),
    insecure: flag({
      fallback: false,
      doc: "Accept any certificate of a kubelet: whoever is on the way to a node can then make up what peers read of it, and use the token of nodes.serviceAccount for ten minutes, by which all kubelets can be read, and nothing else done.",
    }),
  },
  telemetry: {
    host: text({ fallback: "0.0.0.0", doc: "Address of /livez, /readyz and /metrics." }),
    port: integer({
      fallback: 8002,
      least: 0,
      most: 65_535,
      doc: "Port of /livez, /readyz and /metrics; 0 takes a free one.",
    }),
  },
  shutdown: {
    grace: duration({
      fallback: 20_000,
      doc: "How long streams may go on after the agent was told to end. Keep it below the pod's terminationGracePeriodSeconds.",
    }),
  },
};
