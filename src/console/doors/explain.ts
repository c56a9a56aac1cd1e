/** What goes wrong behind a door, in plain words. Pure. */
import type { PortChoice } from "../../tunnel/app-port.ts";
import { listPorts } from "../../tunnel/app-port.ts";
import type { TunnelError } from "../../tunnel/tunnel-error.ts";
import type { Problem } from "../problem.ts";
import type { AppDoor, AppView } from "./app-view.ts";

/** How the link to a peer is, for people; undefined for a peer that is not known. */
export interface PeerPresence {
  readonly connected: boolean;
  /** Since when, in words that a person reads: an RFC 3339 time. */
  readonly since?: string | undefined;
  readonly lastError?: string | undefined;
}

export function noSuchHost(host: string): Problem {
  return {
    status: 404,
    code: "no-such-app",
    title: "No such app",
    detail: `No app of this cluster is shown at ${host}.`,
    hint: "`fairlead app list -A` shows the apps that there are, `fairlead app open NAME` prints an app's address. That of something else at a peer is good until this agent starts anew: `fairlead target open` prints another.",
  };
}

export function noSuchApp(namespace: string, name: string): Problem {
  return {
    status: 404,
    code: "no-such-app",
    title: "No such app",
    detail: `There is no app ${name} in the namespace ${namespace}.`,
    hint: "`fairlead app list -A` shows the apps that there are.",
  };
}

export function noSuchPort(app: AppView, port: PortChoice): Problem {
  return {
    status: 404,
    code: "no-such-port",
    title: "No such port",
    detail: `The app ${app.name} has no port ${port}. Its ports: ${listPorts(app.ports)}.`,
  };
}

export function notHttp({ app, port }: AppDoor): Problem {
  return {
    status: 421,
    code: "not-http",
    title: "This port does not speak HTTP",
    detail: `Port ${port.name || port.number} of the app ${app.name} speaks ${port.appProtocol}, which no browser can show.`,
  };
}

export function noPeer(app: AppView): Problem {
  return {
    status: 503,
    code: "not-placed",
    title: "The app runs nowhere yet",
    detail: `No peer was chosen for the app ${app.name} so far.`,
    hint: `\`fairlead app get ${app.name} -n ${app.namespace}\` says what it waits for.`,
    retryAfter: 5,
  };
}

export function tooMany({ name, door }: AppView): Problem {
  return {
    status: 429,
    code: "too-many-requests",
    title: "Too many requests",
    detail: `The app ${name} takes ${door?.requestsPerSecond} requests a second from all of its clients together.`,
    retryAfter: 1,
  };
}

/** The app's door refers to something that it cannot use. */
export function doorBroken({ name, namespace }: AppView, detail: string): Problem {
  return {
    status: 503,
    code: "door-not-ready",
    title: "The app's door is not ready",
    detail,
    hint: `\`door\` of the RemoteApp ${namespace}/${name} refers to it.`,
    retryAfter: 5,
  };
}

/** Who asks is known, and may not. */
export function mayNot(detail: string): Problem {
  return { status: 403, code: "forbidden", title: "Refused", detail };
}

export function badRequest(detail: string): Problem {
  return { status: 400, code: "bad-request", title: "Bad request", detail, close: true };
}

/** What a request is for, as explanations call it. */
export interface Subject {
  /** "app". */
  readonly noun: string;
  /** Where its user finds out more. */
  readonly look: string;
}

export function appSubject({ name, namespace }: AppView): Subject {
  const look = `\`fairlead app get ${name} -n ${namespace}\` and \`fairlead app logs ${name} -n ${namespace}\` say more.`;
  return { noun: "app", look };
}

/** A dial or an exchange that failed before there was an answer. */
export function explainFailure(
  error: TunnelError,
  peer: string,
  { noun, look }: Subject,
  presence: PeerPresence | undefined,
): Problem {
  const detail = error.message;
  switch (error.failure) {
    case "not-found":
      return {
        status: 404,
        code: "not-found-at-peer",
        title: `The peer does not know this ${noun}`,
        detail,
        hint: look,
      };
    case "denied":
      return {
        status: 403,
        code: "refused",
        title: "Refused by the peer",
        detail,
        hint: `Whoever runs ${peer} can allow it.`,
      };
    case "not-ready":
      return { status: 503, code: "not-ready", title: `The ${noun} is not ready`, detail, hint: look, retryAfter: 3 };
    case "away":
      return {
        status: 503,
        code: "peer-away",
        title: `The peer ${peer} is away`,
        detail: away(peer, presence, detail),
        hint: `\`fairlead peer get ${peer}\` says more.`,
        retryAfter: 5,
      };
    case "overloaded":
      return { status: 503, code: "overloaded", title: "Too much at once", detail, retryAfter: 1 };
    case "limited":
      return { status: 429, code: "too-many-requests", title: "Too many requests", detail, retryAfter: 1 };
    case "timeout":
      return { status: 504, code: "timeout", title: `The ${noun} did not answer in time`, detail, hint: look };
    case "broken":
    case "cancelled":
      return { status: 502, code: "broken", title: `The ${noun} cannot be reached`, detail, hint: look };
  }
}

function away(peer: string, presence: PeerPresence | undefined, said: string): string {
  if (!presence || presence.connected) return said;
  const since = presence.since === undefined ? "" : ` since ${presence.since}`;
  const why = presence.lastError === undefined ? "" : ` Last error: ${presence.lastError}`;
  return `There is no link to ${peer}${since}.${why}`;
}
