/**
 * The door for programs that stream both ways: a WebSocket at `/session`, with a bearer token, on which Fairlead's own wire is
 * spoken (docs/protocol.md), as between agents. A call on it is one of the console's API; a dial is a port of an app, wherever that
 * runs. It passes every ingress that lets WebSockets pass.
 */
import type { ConnectRouter } from "@connectrpc/connect";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { acceptWebSocket } from "../link/websocket.ts";
import { createRpcServer } from "../rpc/server.ts";
import { type IncomingDial, type IncomingStream, type LocalHello, openSession } from "../wire/session.ts";
import { type Authenticator, howToSignIn } from "./auth/authenticator.ts";
import { presentedBy } from "./auth/presented.ts";
import { type Principal, principalKey } from "./auth/principal.ts";
import { answerProblem, type DoorRequest } from "./doors/exchange.ts";
import { type Guest, SessionGuests } from "./session-guests.ts";

export interface SessionDoorDeps {
  /** The services of the API, behind what guards them. */
  routes(router: ConnectRouter): void;
  readonly authenticator: Authenticator;
  readonly hello: LocalHello;
  /** Answers a dial of who is signed in. Returns at once and must not throw. */
  dial(dial: IncomingDial, principal: Principal): void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface SessionDoor {
  /** Whether the request is for this door. */
  claims(url: string): boolean;
  serve(request: DoorRequest, at: { secure: boolean }): Promise<void>;
  /** Sessions now. */
  readonly size: number;
  /** Lets what runs go on for so long (milliseconds), and ends all sessions. */
  close(withinMs: number): Promise<void>;
}

/** Header of the upgrade, by which a program's session goes on at its next connection: 16 random bytes, as base64url. */
const sessionHeader = "fairlead-session";

export function createSessionDoor(deps: SessionDoorDeps): SessionDoor {
  const { authenticator, hello, clock, log } = deps;
  const guests = new SessionGuests(authenticator, clock);
  const stopping = new AbortController();
  const rpc = createRpcServer({
    routes: deps.routes,
    onDefect: (error, path) => log.error({ err: error, path }, "a call of a session failed"),
  });

  /** Whose the token is now. Asked for each call and dial, so that none is answered under one that was withdrawn. */
  function accept(guest: Guest, address: string) {
    return (incoming: IncomingStream): void => {
      const principal = authenticator.present(guest.credential);
      if (!principal) guests.end(guest);
      else if (incoming.kind === "dial") deps.dial(incoming, principal);
      else {
        const caller = { fingerprint: `console:${principal.name}@${address}`, guest: true, grants: [], caPem: "" };
        void rpc.serve(incoming, caller, (values) => values.set(principalKey, principal));
      }
    };
  }

  return {
    claims: (url) => url === "/session" || url.startsWith("/session?"),

    async serve(request, { secure }) {
      const { req } = request;
      const presented = presentedBy(req, { secure, upgrade: request.kind === "upgrade" });
      const principal = await authenticator.authenticate(presented, stopping.signal);
      if (!principal) {
        const detail = `${authenticator.whyNot(presented)} ${howToSignIn}`;
        return answerProblem(request, { status: 401, code: "unauthenticated", title: "Not signed in", detail });
      }
      if (request.kind !== "upgrade") {
        const detail = "This is the door for sessions: a WebSocket, for Fairlead's own programs.";
        return answerProblem(request, { status: 426, code: "upgrade-required", title: "Not a WebSocket", detail });
      }
      const id = req.headers[sessionHeader];
      const guest = stopping.signal.aborted
        ? "The agent is stopping."
        : guests.welcome(principal, typeof id === "string" && /^[\w-]{22}$/.test(id) ? id : undefined);
      if (typeof guest === "string") {
        return answerProblem(request, { status: 503, code: "overloaded", title: "Not now", detail: guest });
      }
      try {
        const carrier = await acceptWebSocket(request.req, request.socket, Buffer.from(request.head));
        const address = req.socket.remoteAddress ?? "";
        const session = await openSession(
          {
            carrier,
            side: "low",
            facts: { dialled: false, remoteAddress: address },
            hello,
            ...(guest.sessions && { sessions: guest.sessions }),
            clock,
            accept: accept(guest, address),
            onDefect: (error) => log.error({ err: error }, "a defect has ended a session"),
          },
          stopping.signal,
        );
        guest.holds(session);
        const { carriers } = session.stats();
        log.debug({ person: principal.name, address, version: session.remote.version, carriers }, "session opened");
      } catch (error) {
        log.debug({ err: error }, "session not opened");
        request.socket.destroy();
      } finally {
        guest.opened();
      }
    },

    get size() {
      return guests.size;
    },

    async close(withinMs) {
      stopping.abort(new Error("The agent is stopping."));
      await Promise.all(guests.sessions().map((session) => session.drain("The agent is stopping.", withinMs)));
      guests.close();
      await rpc.close();
    },
  };
}
