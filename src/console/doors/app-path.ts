/**
 * The door for programs: `/apps/<namespace>/<app>/<port>/…` on the console's own host, with a bearer token and never with
 * a cookie. A browser that comes here is sent to the app's host, so that no foreign page is ever shown on this one.
 */
import { Door } from "../../gen/fairlead/console/v1/access_pb.ts";
import { findPort, parsePort } from "../../tunnel/app-port.ts";
import { authorityOf } from "../../tunnel/client-side.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import { presentedBy } from "../auth/presented.ts";
import type { Problem } from "../problem.ts";
import type { AppHostDoor } from "./app-host.ts";
import type { AppCatalogue } from "./app-view.ts";
import { answer, answerProblem, type DoorRequest, goneSignal } from "./exchange.ts";
import { badRequest, mayNot, noSuchApp, noSuchPort } from "./explain.ts";
import { unauthenticated } from "./explain-entry.ts";
import { type PassOnDeps, passOnToApp, pathAnswerHeaders } from "./pass-on.ts";
import { climbsOut, isOwnPage, readRequestTarget } from "./request-target.ts";

export interface AppPathDeps extends PassOnDeps {
  apps: AppCatalogue;
  authenticator: Authenticator;
  appHost: Pick<AppHostDoor, "addressOf">;
}

export interface AppPathDoor {
  /** Whether this request's path is this door's, however it is written. */
  claims(url: string): boolean;
  serve(request: DoorRequest, base: { secure: boolean; port: number }): Promise<void>;
}

export function createAppPathDoor(deps: AppPathDeps): AppPathDoor {
  function claims(url: string): boolean {
    const target = readRequestTarget(url);
    if (!target.ok || isOwnPage(target.path, "/apps", 2)) return false;
    return target.normal === "/apps" || target.normal.startsWith("/apps/");
  }

  async function serve(request: DoorRequest, base: { secure: boolean; port: number }): Promise<void> {
    const { req } = request;
    const target = readRequestTarget(req.url ?? "");
    if (!target.ok) return answerProblem(request, badRequest(target.detail));
    const parts = /^\/apps\/([^/%]+)\/([^/%]+)\/([^/%]+)(\/.*)?$/.exec(target.path);
    const [, namespace = "", name = "", portText = "", rest = ""] = parts ?? [];
    if (!parts || [namespace, name, portText].some((part) => part === "." || part === "..") || climbsOut(rest)) {
      return answerProblem(request, notAnAppPath());
    }
    const browser = isNavigation(request);
    const presented = presentedBy(req, { secure: base.secure, upgrade: request.kind === "upgrade" });
    // Never by a cookie: no foreign page is shown on this host, and none asks in its visitor's name.
    const principal = browser
      ? undefined
      : await deps.authenticator.authenticate({ ...presented, cookie: undefined }, goneSignal(request));
    if (!browser && !principal) return answerProblem(request, unauthenticated(presented, deps.authenticator));
    const app = deps.apps.get(namespace, name);
    const port = app && findPort(app.ports, parsePort(portText) ?? portText);
    if (!principal) {
      // Nobody is known here, so nothing is told about what exists: only where a known app is shown.
      if (!app || !port) return answerProblem(request, unauthenticated({}, deps.authenticator));
      const location = deps.appHost.addressOf({ app, port }, (rest || "/") + target.query, base);
      return answer(request, 307, [
        ["Location", location],
        ["Cache-Control", "no-store"],
      ]);
    }
    const refused = deps.guard.refuses(principal, Door.APP, { found: app?.peer });
    if (refused !== undefined) return answerProblem(request, mayNot(refused));
    if (!app) return answerProblem(request, noSuchApp(namespace, name));
    if (!port) return answerProblem(request, noSuchPort(app, portText));
    await passOnToApp(deps, request, {
      door: { app, port },
      person: principal.name,
      path: (rest || "/") + target.query,
      arrival: {
        scheme: base.secure ? "https" : "http",
        host: authorityOf(req),
        clientAddress: req.socket.remoteAddress ?? "",
        prefix: `/apps/${namespace}/${name}/${portText}`,
      },
      stripAuthorization: true,
      answerHeaders: pathAnswerHeaders,
      admitted: { principal, door: Door.APP },
    });
  }

  return { claims, serve };
}

/** A browser that follows a link sends no token and wants a page. */
function isNavigation({ req, kind }: DoorRequest): boolean {
  const reads = req.method === "GET" || req.method === "HEAD";
  return (
    kind === "http" &&
    reads &&
    req.headers.authorization === undefined &&
    /\btext\/html\b/i.test(req.headers.accept ?? "")
  );
}

function notAnAppPath(): Problem {
  return {
    status: 404,
    code: "not-found",
    title: "Nothing here",
    detail: "An app's path is /apps/<namespace>/<app>/<port>/…, without dot segments that lead out of it.",
  };
}
