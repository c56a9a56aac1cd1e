/** The way from a door to the app, the same for both doors once they have decided that a request may pass. */
import type { Log } from "../../base/log.ts";
import { httpScheme } from "../../tunnel/app-port.ts";
import type { Arrival } from "../../tunnel/headers.ts";
import type { HttpForwarder } from "../../tunnel/http.ts";
import type { Passage } from "../../tunnel/passage.ts";
import { toTunnelError } from "../../tunnel/tunnel-error.ts";
import { forwardUpgrade } from "../../tunnel/upgrade.ts";
import { type AppDoor, doorKey } from "./app-view.ts";
import { answerProblem, type DoorRequest } from "./exchange.ts";
import { explainFailure, noPeer, notHttp, type PeerPresence } from "./explain.ts";

export interface PassOnDeps {
  http: HttpForwarder;
  presence(peer: string): PeerPresence | undefined;
  log: Log;
}

export interface Leave {
  readonly door: AppDoor;
  /** Who asks, for the audit. */
  readonly person: string;
  /** What the app is asked for. */
  readonly path: string;
  readonly arrival: Arrival;
  readonly stripAuthorization: boolean;
  readonly answerHeaders?: readonly string[];
}

/** The session cookies of app hosts; with the prefix where a browser honours it, which is behind TLS. */
export const sessionCookies = { secure: "__Host-fairlead-app", plain: "fairlead-app" } as const;

const consoleCookies: readonly string[] = Object.values(sessionCookies);

/** Resolves when the request is over, whatever became of it. */
export async function passOn(deps: PassOnDeps, request: DoorRequest, leave: Leave): Promise<void> {
  const { door } = leave;
  const { app, port } = door;
  const scheme = httpScheme(port.appProtocol);
  if (scheme === undefined) return answerProblem(request, notHttp(door));
  if (app.peer === undefined) return answerProblem(request, noPeer(app));
  const target = { kind: "app", namespace: app.namespace, name: app.name, uid: app.uid, port: port.number } as const;
  const passage: Passage = {
    destination: { peer: app.peer, target, person: leave.person },
    scheme,
    path: leave.path,
    arrival: leave.arrival,
    consoleCookies,
    stripAuthorization: leave.stripAuthorization,
    ...(leave.answerHeaders && { answerHeaders: leave.answerHeaders }),
  };
  try {
    if (request.kind === "http") await deps.http.forward(request.req, request.res, passage);
    else await forwardUpgrade(deps.http, request, passage);
  } catch (error) {
    const failure = toTunnelError(error);
    deps.log.debug({ app: doorKey(door), peer: app.peer, failure: failure.failure, err: failure }, "app not reached");
    answerProblem(request, explainFailure(failure, door, deps.presence(app.peer)));
  }
}
