export { parsePort } from "../wire/target-text.ts";

/** A port that an app declares: what can be dialled of it, and what is spoken there. */
export interface AppPort {
  /** Absent or empty for a port without a name. */
  readonly name?: string;
  /** 1 to 65,535. */
  readonly number: number;
  /** What is spoken on it; `http` unless the app says otherwise. `udp` is a port of UDP, everything else one of TCP. */
  readonly appProtocol?: string;
}

/** Those that are reached by datagrams, or those that are not. */
export function portsOf<P extends AppPort>(ports: readonly P[], network: "udp" | undefined): readonly P[] {
  return ports.filter(({ appProtocol }) => (appProtocol === "udp") === (network === "udp"));
}

/** A port as someone asked for it: a number, a name, or nothing for the first that will do. */
export type PortChoice = number | string | undefined;

/** The app's port of that number or name; the first one when nothing was chosen. Undefined when it declares none such. */
export function findPort<P extends AppPort>(ports: readonly P[], choice: PortChoice): P | undefined {
  if (choice === undefined) return ports[0];
  if (typeof choice === "number") return ports.find((port) => port.number === choice);
  return ports.find((port) => port.name === choice);
}

/** "web (8080), 53/udp": for messages that say what could have been chosen. */
export function listPorts(ports: readonly AppPort[]): string {
  if (ports.length === 0) return "none";
  const shown = ({ name, number, appProtocol }: AppPort): string => {
    const port = appProtocol === "udp" ? `${number}/udp` : String(number);
    return name ? `${name} (${port})` : port;
  };
  return ports.map(shown).join(", ");
}

/** How the origin speaks to a port: HTTP/1.1 in clear or inside TLS, HTTP/2 in clear, or not HTTP at all. */
export type HttpScheme = "http" | "https" | "h2c";

/** Undefined for a port that does not speak HTTP. WebSocket starts as HTTP, so `ws` is `http` and `wss` is `https`. */
export function httpScheme(appProtocol: string | undefined): HttpScheme | undefined {
  switch (appProtocol?.toLowerCase() ?? "") {
    case "":
    case "http":
    case "ws":
    case "kubernetes.io/ws":
      return "http";
    case "https":
    case "wss":
    case "kubernetes.io/wss":
      return "https";
    case "h2c":
    case "kubernetes.io/h2c":
      return "h2c";
    default:
      return undefined;
  }
}
