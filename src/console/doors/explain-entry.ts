/** Why an app's host lets a request not in, in plain words. Pure. */
import { Code, ConnectError } from "@connectrpc/connect";
import { targetText } from "../../wire/target-text.ts";
import { type Authenticator, howToSignIn } from "../auth/authenticator.ts";
import type { Presented } from "../auth/presented.ts";
import type { Problem } from "../problem.ts";
import { secondsIn } from "../try-later.ts";
import type { AppDoor, AppView } from "./app-view.ts";
import type { TargetDoor } from "./target-door.ts";

export function nothingHere(): Problem {
  const detail = "This path is the door's own, not the app's.";
  return { status: 404, code: "not-found", title: "Nothing here", detail };
}

export function notIn({ app }: AppDoor): Problem {
  return {
    status: 401,
    code: "no-session",
    title: "You are not signed in here",
    detail: `The page of the app ${app.name} is shown to those who have opened it.`,
    hint: `\`fairlead app open ${app.name} -n ${app.namespace}\` prints an address that lets this browser in.`,
  };
}

export function usedUp({ app }: AppDoor): Problem {
  return {
    status: 401,
    code: "code-invalid",
    title: "This address has been used or is too old",
    detail: "It works once, within 60 seconds, and for one app.",
    hint: `\`fairlead app open ${app.name} -n ${app.namespace}\` prints a new one.`,
  };
}

export function foreignPage(): Problem {
  return {
    status: 403,
    code: "foreign-page",
    title: "Refused",
    detail: "Another site's page made this request. It may link here, and nothing else.",
  };
}

/** For when nobody could say who came; undefined for any other error. */
export function notFoundOut(error: unknown): Problem | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const problem = {
    title: "Nobody can say who you are",
    detail: error.rawMessage,
    retryAfter: Math.ceil(secondsIn(error) ?? 1),
  };
  if (error.code === Code.Unavailable) return { status: 503, code: "unavailable", ...problem };
  return error.code === Code.ResourceExhausted ? { status: 429, code: "too-many-requests", ...problem } : undefined;
}

/** For a path, which no browser is let in at. */
export function unauthenticated(
  presented: Pick<Presented, "authorization">,
  authenticator: Pick<Authenticator, "whyNot">,
): Problem {
  const isBare = presented.authorization === undefined;
  return {
    status: 401,
    code: "unauthenticated",
    title: "A token is needed",
    detail: isBare ? "This door takes a bearer token and no cookies." : authenticator.whyNot(presented),
    hint: howToSignIn,
    authenticate: 'Bearer realm="fairlead"',
  };
}

export function tokenNeeded({ app }: AppDoor): Problem {
  return {
    status: 401,
    code: "unauthenticated",
    title: "A token is needed",
    detail: `The app ${app.name} is shown to programs with a bearer token, as door.access of the app says.`,
    hint: howToSignIn,
    authenticate: 'Bearer realm="fairlead"',
  };
}

export function passwordNeeded({ name }: AppView): Problem {
  return {
    status: 401,
    code: "unauthenticated",
    title: "A password is needed",
    detail: `The app ${name} is shown to those who know a user name and a password of its own.`,
    authenticate: `Basic realm="${name}", charset="UTF-8"`,
  };
}

export function tooManyWrong({ name }: AppView): Problem {
  return {
    status: 429,
    code: "too-many-requests",
    title: "Too many wrong passwords",
    detail: `Somebody has tried too many passwords at the app ${name}.`,
    retryAfter: 1,
  };
}

/** Of what is at a peer; undefined when nothing is known of it any more. */
export function targetNotIn(door: TargetDoor | undefined): Problem {
  return {
    status: 401,
    code: "no-session",
    title: "You are not signed in here",
    detail: "What is at a peer is shown to those who have opened it.",
    hint: `\`fairlead target open ${door ? `${door.peer} ${targetText(door.target)}` : "PEER TARGET"}\` prints an address that lets this browser in.`,
  };
}

export function targetUsedUp({ peer, target }: TargetDoor): Problem {
  return {
    status: 401,
    code: "code-invalid",
    title: "This address has been used or is too old",
    detail: "It works once, within 60 seconds, and for one port at one peer.",
    hint: `\`fairlead target open ${peer} ${targetText(target)}\` prints a new one.`,
  };
}
