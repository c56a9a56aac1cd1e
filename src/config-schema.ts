/**
 * Every setting of an agent, declared once: its type, default and meaning. `config.ts` reads them, and the reference in
 * docs/configuration.md is generated from here. A setting that no code reads fails a test.
 */
import { isIP } from "node:net";
import { type LogLevel, logLevels } from "./telemetry/log.ts";

export interface Setting<T> {
  /** Whole sentences, for the reference and for `fairlead config show -o wide`. */
  readonly doc: string;
  /** The words of the reference for what may be given. */
  readonly form: string;
  readonly fallback: T;
  /** Throws an Error that says what is expected; its message continues "link.port: …". */
  parse(text: string): T;
  /** As it is printed, without what is secret in it. */
  show(value: T): string;
  /** May change while the agent runs. */
  readonly live?: true;
  /** Variables of the environment that other programs share; weaker than a configuration file. */
  readonly sharedEnv?: readonly string[];
}

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

function text(o: { fallback?: string; doc: string }): Setting<string> {
  return {
    form: "text",
    fallback: o.fallback ?? "",
    doc: o.doc,
    parse: (given) => given.trim(),
    show: (value) => value,
  };
}

/** Plain HTTP is what runtimes speak to a registry on their own node, and to no other without being told. */
function registryName(o: { doc: string }): Setting<string> {
  const parse = (given: string): string => {
    if (!/^(localhost|127\.0\.0\.1):\d{1,5}$/.test(given.trim())) {
      throw new Error("must be localhost and a port, such as localhost:30500");
    }
    return given.trim();
  };
  return { form: "localhost:port", fallback: "", doc: o.doc, parse, show: (value) => value };
}

function address(o: { doc: string }): Setting<string> {
  const parse = (given: string): string => {
    if (isIP(given.trim()) === 0) throw new Error("must be an address, such as 10.0.0.7");
    return given.trim();
  };
  return { form: "address", fallback: "", doc: o.doc, parse, show: (value) => value };
}

function portRange(o: {
  fallback: { first: number; last: number };
  doc: string;
}): Setting<{ first: number; last: number }> {
  const parse = (given: string): { first: number; last: number } => {
    const [, from, to] = /^(\d{1,5})-(\d{1,5})$/.exec(given.trim()) ?? [];
    const [first, last] = [Number(from), Number(to)];
    if (!(first >= 1 && first <= last && last <= 65_535)) {
      throw new Error("must be two ports from 1 to 65535, the lower first, such as 20000-20999");
    }
    return { first, last };
  };
  const show = ({ first, last }: { first: number; last: number }): string => `${first}-${last}`;
  return { form: "port-port", fallback: o.fallback, doc: o.doc, parse, show };
}

function choice<T extends string>(allowed: readonly T[], fallback: T, doc: string): Setting<T> {
  const parse = (given: string): T => {
    const found = allowed.find((value) => value === given.trim());
    if (found === undefined) throw new Error(`must be one of ${allowed.join(", ")}`);
    return found;
  };
  return { form: allowed.join(" \\| "), fallback, doc, parse, show: (value) => value };
}

function flag(o: { fallback: boolean; doc: string }): Setting<boolean> {
  const parse = (given: string): boolean => {
    if (given === "true" || given === "") return true; // A flag that is only named is set.
    if (given === "false") return false;
    throw new Error("must be true or false");
  };
  return { form: "true \\| false", ...o, parse, show: String };
}

function integer(o: { fallback: number; least: number; most: number; doc: string }): Setting<number> {
  const parse = (given: string): number => {
    const value = Number(given);
    if (!/^\d+$/.test(given.trim()) || value < o.least || value > o.most) {
      throw new Error(`must be a whole number from ${o.least} to ${o.most}`);
    }
    return value;
  };
  return { form: `${o.least} to ${o.most}`, fallback: o.fallback, doc: o.doc, parse, show: String };
}

const unitBytes: Record<string, number> = { "": 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

/** As Kubernetes writes memory. */
function bytes(o: { fallback?: number; doc: string }): Setting<number> {
  const parse = (given: string): number => {
    const [, number, unit = ""] = /^(\d{1,9})(Ki|Mi|Gi)?$/.exec(given.trim()) ?? [];
    const value = Number(number) * (unitBytes[unit] ?? 0);
    if (!(value >= 2 ** 20)) throw new Error("must be at least 1Mi, in bytes, Ki, Mi or Gi, such as 256Mi");
    return value;
  };
  return {
    form: "bytes",
    fallback: o.fallback ?? 0,
    doc: o.doc,
    parse,
    show: (value) => (value % 2 ** 20 === 0 ? `${value / 2 ** 20}Mi` : String(value)),
  };
}

const unitMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** In milliseconds; written as Go and Kubernetes do. */
function duration(o: { fallback: number; least?: number; doc: string }): Setting<number> {
  const parse = (given: string): number => {
    const parts = [...given.trim().matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
    if (parts.length === 0 || parts.map((part) => part[0]).join("") !== given.trim()) {
      throw new Error("must be a duration such as 500ms, 20s or 1h30m");
    }
    const ms = parts.reduce((sum, [, number, unit = ""]) => sum + Number(number) * (unitMs[unit] ?? 0), 0);
    if (ms < (o.least ?? 0)) throw new Error(`must be a duration of at least ${(o.least ?? 0) / 1_000}s`);
    return ms;
  };
  return {
    form: "duration",
    fallback: o.fallback,
    doc: o.doc,
    parse,
    show: (value) => (value % 1_000 === 0 ? `${value / 1_000}s` : `${value}ms`),
  };
}

function url(protocols: readonly string[], o: { doc: string }): Setting<string> {
  const expected = `must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`;
  const parse = (given: string): string => {
    const parsed = URL.parse(given.trim());
    if (!parsed || !protocols.includes(parsed.protocol)) throw new Error(expected);
    return parsed.href;
  };
  return { form: "URL", fallback: "", doc: o.doc, parse, show: hidePassword };
}

/** A URL, or `host:port` alone, as curl and Go take it: the variables are shared with other programs. */
function proxy(o: { doc: string }): Setting<string> {
  const whole = url(["http:", "https:"], o);
  return { ...whole, parse: (given) => whole.parse(given.includes("://") ? given : `http://${given.trim()}`) };
}

function hidePassword(value: string): string {
  const parsed = URL.parse(value);
  return parsed?.password ? value.replace(`:${parsed.password}@`, ":[secret]@") : value;
}

/** Undefined unless it is given; an empty text takes a weaker value back. */
function optional<T>(setting: Setting<T>): Setting<T | undefined> {
  return {
    ...setting,
    fallback: undefined,
    parse: (given) => (given.trim() === "" ? undefined : setting.parse(given)),
    show: (value) => (value === undefined ? "" : setting.show(value)),
  };
}
