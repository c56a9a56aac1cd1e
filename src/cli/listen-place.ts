/** Where a forward listens, as people write it after kubectl's and ssh's manner. Pure. */
import { isIP } from "node:net";
import { hasPorts, type NamedTarget, type PortName, parsePort } from "../client/target.ts";
import { CliError, exitCode } from "./errors.ts";

/** A port of this machine, any free one when it is 0; or a socket in the file system. */
export type ListenPlace = { readonly host: string; readonly port: number } | { readonly path: string };

/** What listens here, and what it is over there. */
export interface PlannedForward {
  readonly target: NamedTarget;
  readonly place: ListenPlace;
}

/** A path to listen at begins otherwise, so that a kind of target that is not known here is told of as such. */
const startsTarget = /^[a-z]+\/|^(kubernetes|metrics)$/;

/** Reads `TARGET[:PORT] [LISTEN]… TARGET…`: each target with the places after it. Throws a `CliError` that says what could be written. */
export function planForwards(words: readonly string[], parse: (text: string) => NamedTarget | undefined, host: string) {
  const plans: PlannedForward[] = [];
  let current: { target: NamedTarget; listens: number } | undefined;
  const finish = (): void => {
    if (current?.listens === 0) plans.push(planOne(current.target, undefined, host));
  };
  for (const word of words) {
    if (!current || startsTarget.test(word)) {
      finish();
      const target = parse(word);
      if (!target) throw noTarget(word);
      current = { target, listens: 0 };
    } else {
      plans.push(planOne(current.target, word, host));
      current.listens += 1;
    }
  }
  finish();
  return plans;
}

function planOne(target: NamedTarget, word: string | undefined, host: string): PlannedForward {
  if (word === undefined) return { target, place: { host, port: numberOf(portOf(target)) } };
  const path = /^unix:(.+)$/.exec(word)?.[1] ?? (/^\.{0,2}\//.test(word) ? word : undefined);
  if (path !== undefined) return { target, place: { path } };
  const [, bracketed, plain, rest = ""] = /^(?:\[([^\]]*)\]:|([^:[\]]*[^:[\]0-9][^:[\]]*):)?(.*)$/.exec(word) ?? [];
  const address = bracketed ?? plain;
  // What stands before a colon and is a port's name is none of an address; kubectl has no such form.
  const at = address === undefined ? host : hostOf(address);
  const [, local, remote] = /^(\d*)(?::([^:]+))?$/.exec(rest) ?? [];
  if (at === undefined || local === undefined) return named(target, word, host);
  const said = remote === undefined ? undefined : remote === "0" && local === "" ? "any" : parsePort(remote);
  if (local === "" && remote === undefined) throw noPlace(word);
  if (remote !== undefined && said === undefined) throw noPlace(word);
  const number = Number(local || "0");
  if (number > 65_535 || (local !== "" && String(number) !== local)) throw noPlace(word);
  if (said !== undefined && said !== "any")
    return { target: withPort(target, said, word), place: { host: at, port: number } };
  // As kubectl has it: one number is the port on both sides, where the target does not say its own.
  const wantsSame = said === undefined && number !== 0 && hasPorts(target) && portOf(target) === undefined;
  return { target: wantsSame ? withPort(target, number, word) : target, place: { host: at, port: number } };
}

/** A port by its name alone, of a target that does not say its own. */
function named(target: NamedTarget, word: string, host: string): PlannedForward {
  const port = parsePort(word);
  if (typeof port !== "string") throw noPlace(word);
  return { target: withPort(target, port, word), place: { host, port: 0 } };
}

/** Where datagrams are taken. Throws a `CliError` for what only streams have. */
export function datagramPlace(place: ListenPlace, proxyProtocol: boolean): { address: string; port: number } {
  const { usage: code } = exitCode;
  if ("path" in place) throw new CliError(`${place.path} is a socket for streams, and the target one of UDP`, { code });
  if (proxyProtocol) throw new CliError("--proxy-protocol is for connections, and the target one of UDP", { code });
  return { address: place.host, port: place.port };
}

function hostOf(text: string): string | undefined {
  if (text === "*") return "::";
  if (text === "localhost") return "127.0.0.1";
  return isIP(text) === 0 ? undefined : text;
}

function portOf(target: NamedTarget): PortName | undefined {
  return hasPorts(target) ? target.port : undefined;
}

function withPort(target: NamedTarget, port: PortName, word: string): NamedTarget {
  if (hasPorts(target) && (target.port === undefined || target.port === port)) {
    if (target.kind === "app" || target.kind === "service") return { ...target, port };
    if (typeof port === "number") return { ...target, port };
    throw new CliError(
      `${JSON.stringify(word)} names a port, but ports of ${target.kind === "route" ? "a route" : "an address"} are numbers`,
      {
        code: exitCode.usage,
      },
    );
  }
  const why = hasPorts(target) ? `the target has the port ${target.port} already` : "the target has no ports";
  throw new CliError(`${JSON.stringify(word)} says a port over there, but ${why}`, {
    code: exitCode.usage,
    hint: `${word.replace(/:[^:]*$/, "") || "8080"}, where to listen here`,
  });
}

function numberOf(port: PortName | undefined): number {
  return typeof port === "number" ? port : 0;
}

function noTarget(word: string): CliError {
  return new CliError(`${JSON.stringify(word)} is nothing that a peer can have`, {
    code: exitCode.usage,
    hint: "service/NAMESPACE/NAME:PORT, app/NAMESPACE/NAME:PORT, address/NAME:PORT, route/HOST:PORT, node/NAME, kubernetes or metrics; fairlead target list PEER shows what there is",
  });
}

function noPlace(word: string): CliError {
  return new CliError(`${JSON.stringify(word)} is no place to listen at`, {
    code: exitCode.usage,
    hint: "8080, 8080:80, 127.0.0.1:8080, [::1]:8080, :0 for any free port, or unix:./db.sock",
  });
}
