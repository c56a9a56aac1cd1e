/** The way from a door to what is at a peer, the same for all doors once they have decided that a request may pass. */
import type { Log } from "../../base/log.ts";
import type { Door } from "../../gen/fairlead/console/v1/access_pb.ts";
import { httpScheme } from "../../tunnel/app-port.ts";
import type { HttpForwarder } from "../../tunnel/http.ts";
import type { Passage, TlsRules } from "../../tunnel/passage.ts";
import { toTunnelError } from "../../tunnel/tunnel-error.ts";
import { forwardUpgrade } from "../../tunnel/upgrade.ts";
import { targetText } from "../../wire/target-text.ts";
import type { DoorGuard } from "../access/door-guard.ts";
import type { Principal } from "../auth/principal.ts";
import { cookiePrefix } from "../sign-in/cookie.ts";
import type { AppRates } from "./app-rates.ts";
import type { AppDoor, AppView, DoorContent } from "./app-view.ts";
import { answerProblem, type DoorRequest } from "./exchange.ts";
import {
  appSubject,
  doorBroken,
  explainFailure,
  noPeer,
  notHttp,
  type PeerPresence,
  type Subject,
  tooMany,
} from "./explain.ts";

export interface ForwardDeps {
  http: HttpForwarder;
  guard: DoorGuard;
  presence(peer: string): PeerPresence | undefined;
  log: Log;
}

/** What the doors to apps need beside. */
export interface PassOnDeps extends ForwardDeps {
  /** What a Secret or ConfigMap in an app's namespace holds that its door refers to. */
  content(ref: { kind: "ConfigMap" | "Secret"; namespace: string; name: string }): DoorContent;
  rates: AppRates;
}

/** What a door has decided about a request that may pass. */
export type Leave = Omit<Passage, "consoleCookies"> & {
  /** Who was let in here, and at which door: it ends when they may no longer. Undefined where nobody has to be known. */
  readonly admitted?: { readonly principal: Principal; readonly door: Door } | undefined;
};

/** What it has decided about one for an app; where that runs, and what it speaks, is known by the app itself. */
export type AppLeave = Omit<Leave, "destination" | "scheme"> & {
  readonly door: AppDoor;
  /** Who asks, for the audit. */
  readonly person: string;
};

/** The session cookies of app hosts; with the prefix where a browser honours it, which is behind TLS. */
export const sessionCookies = { secure: "__Host-fairlead-app", plain: "fairlead-app" } as const;

/** By their names, or how these begin: no door passes them on, or lets what is behind it set them. */
export const consoleCookies: readonly string[] = [cookiePrefix, ...Object.values(sessionCookies)];

/** Should a browser render an answer of a path door after all, it is nobody's page. */
export const pathAnswerHeaders = ["Content-Security-Policy", "sandbox", "X-Content-Type-Options", "nosniff"];

/** Resolves when the request is over, whatever became of it. */
export async function passOnToApp(deps: PassOnDeps, request: DoorRequest, leave: AppLeave): Promise<void> {
  const { door, person, ...rest } = leave;
  const { app, port } = door;
  const scheme = httpScheme(port.appProtocol);
  if (scheme === undefined) return answerProblem(request, notHttp(door));
  if (app.peer === undefined) return answerProblem(request, noPeer(app));
  const target = { kind: "app", namespace: app.namespace, name: app.name, uid: app.uid, port: port.number } as const;
  const destination = { peer: app.peer, target, person };
  if (!deps.rates.take(app)) return answerProblem(request, tooMany(app));
  const tls = scheme === "https" ? tlsOf(deps, app) : undefined;
  if (typeof tls === "string") return answerProblem(request, doorBroken(app, tls));
  const rate = deps.rates.bytes(app);
  return passOn(deps, request, { ...rest, destination, scheme, tls, rate }, appSubject(app));
}

/** A text says what is missing. */
function tlsOf(deps: PassOnDeps, { namespace, door }: AppView): TlsRules | string | undefined {
  if (!door?.tls) return undefined;
  const { serverName, ca, insecure } = door.tls;
  if (!ca || insecure) return { serverName, insecure };
  const content = deps.content({ ...ca, namespace });
  if (!content.ok) return content.message;
  const pem = content.texts()["ca.crt"];
  return pem === undefined ? `The ${ca.kind} ${ca.name} has no key ca.crt.` : { serverName, ca: pem, insecure };
}

/** As {@link passOnToApp}, to whatever it is; `subject` says what explanations call it. */
export async function passOn(deps: ForwardDeps, request: DoorRequest, leave: Leave, subject: Subject): Promise<void> {
  const { admitted, ...rest } = leave;
  const passage: Passage = { ...rest, consoleCookies };
  const { peer, target } = leave.destination;
  const outgoing = request.kind === "http" ? request.res : request.socket;
  const letGo = admitted && deps.guard.hold(admitted.principal, admitted.door, peer, () => outgoing.destroy());
  try {
    if (request.kind === "http") await deps.http.forward(request.req, request.res, passage);
    else await forwardUpgrade(deps.http, request, passage);
  } catch (error) {
    const failure = toTunnelError(error);
    deps.log.debug({ target: targetText(target), peer, failure: failure.failure, err: failure }, "not reached");
    answerProblem(request, explainFailure(failure, peer, subject, deps.presence(peer)));
  } finally {
    letGo?.();
  }
}
