/** The door of one app, at a console that has nothing else. */
import { systemClock as clock } from "../../src/base/clock.ts";
import { silentLog as log } from "../../src/base/log.ts";
import { createConsoleAccess } from "../../src/console/access/console-access.ts";
import { createRefuser } from "../../src/console/access/refuser.ts";
import type { AppView } from "../../src/console/doors/app-view.ts";
import { type ConsoleServerDeps, createConsoleServer } from "../../src/console/server.ts";
import { ownCertificate } from "../../src/console/tls/served-certificate.ts";
import { makeAuthority, readAuthority } from "../../src/identity/authority.ts";
import { issueServerLeaf } from "../../src/identity/leaf.ts";
import type { Tunnel } from "../../src/tunnel/tunnel.ts";
import { Reason } from "../../src/wire/reason.ts";
import type { PairPorts } from "./messages.ts";

/** Resolves when it listens. Everybody gets in. */
export async function listenAsDoor(o: {
  readonly tunnel: Pick<Tunnel, "http">;
  readonly ports: PairPorts;
  readonly app: { readonly namespace: string; readonly name: string };
  readonly hello: ConsoleServerDeps["hello"];
}): Promise<void> {
  const ports = [{ name: "http", number: o.ports.target, appProtocol: "http" }];
  const view: AppView = { ...o.app, uid: "app", peer: "far", ports, door: { access: "Public" } };
  const authority = readAuthority(makeAuthority(Date.now()));
  const server = createConsoleServer({
    host: "127.0.0.1",
    port: o.ports.listen,
    routes: () => undefined,
    access: createConsoleAccess({
      ways: [],
      known: {
        peersOfApp: () => undefined,
        namesMore: () => false,
        peerOfWorkload: () => undefined,
        concernOfForward: () => undefined,
        peerOfForward: () => undefined,
      },
      refuse: createRefuser({ admins: () => [], refused: () => undefined }),
      clock,
    }),
    apps: { list: () => [view], get: () => view, subscribe: () => () => undefined },
    http: o.tunnel.http,
    hello: o.hello,
    dial: (incoming) => incoming.refuse(Reason.NOT_FOUND, "Nothing is there."),
    presence: () => ({ connected: true }),
    identityOf: (peer) => peer,
    content: () => ({ ok: false, message: "There is none." }),
    certificate: ownCertificate(
      {
        issue: (names, lifetimeMs) => issueServerLeaf(authority, names, Date.now(), lifetimeMs),
        caPem: authority.certPem,
        clock,
      },
      ["localhost"],
    ),
    clock,
    log,
  });
  await server.listen();
}
