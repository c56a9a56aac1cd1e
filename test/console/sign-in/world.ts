/** A console at which two people have passwords, and browsers that are as honest as the test wants. */
import { once } from "node:events";
import http, { type IncomingMessage, type RequestOptions } from "node:http";
import https from "node:https";
import type { FastifyInstance } from "fastify";
import type { AuditEntry } from "../../../src/audit/entry.ts";
import type { Clock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { SecretText } from "../../../src/base/secret-text.ts";
import {
  createSignInService,
  type PasswordUser,
  type PasswordVerdict,
} from "../../../src/console/api/sign-in-service.ts";
import type { KeptSecrets } from "../../../src/console/auth/kept-secrets.ts";
import { principalKey, type RoleBinding } from "../../../src/console/auth/principal.ts";
import { parseSessionRecord, type SessionRecord } from "../../../src/console/auth/session-record.ts";
import { createSignIn, type SignIn, type SignInSettings } from "../../../src/console/sign-in/sign-in.ts";
import { CallerKind, Role } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import { AccessService } from "../../../src/gen/fairlead/console/v1/access_service_pb.ts";
import { PeerService } from "../../../src/gen/fairlead/console/v1/peer_service_pb.ts";
import { SignInService } from "../../../src/gen/fairlead/console/v1/sign_in_service_pb.ts";
import { createMemoryKept, type MemoryKept } from "../auth/memory-kept.ts";
import { bearer, type ConsoleWorld, ownWay, startConsole } from "../console-world.ts";

interface User extends PasswordUser {
  readonly roles: readonly RoleBinding[];
  readonly disabled: boolean;
}

export interface SignInWorld extends AsyncDisposable {
  readonly console: ConsoleWorld;
  readonly signIn: SignIn;
  readonly kept: MemoryKept<SessionRecord>;
  readonly users: Map<string, User & { readonly password: string }>;
  /** What `verify` was asked: name and address. */
  readonly tried: string[];
  /** What browsers showed of having signed in before. */
  readonly marks: (string | undefined)[];
  /** Set: so many seconds is whoever tries to wait. */
  wait: number | undefined;
  readonly audited: AuditEntry[];
  call(method: string, message: object, from?: From): Promise<Called>;
}

export interface From {
  /** `http://localhost` unless given; the port is the console's own where it names none. */
  readonly page?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

export interface Called {
  readonly status: number;
  readonly body: { readonly code?: string; readonly message?: string; readonly [field: string]: unknown };
  /** As it came, whole. */
  readonly setCookie: string | undefined;
  /** As a browser sends it. */
  readonly cookie: string;
  /** The second that was set. */
  readonly mark: string;
}

export async function startSignIn(o: {
  clock: Clock;
  consoleUrl?: string;
  settings?: SignInSettings;
  domain?: string;
  /** Beside those of signing in. */
  pages?(app: FastifyInstance): void;
}): Promise<SignInWorld> {
  const { clock, consoleUrl } = o;
  const kept = createMemoryKept(parseSessionRecord);
  const known: Omit<User, "name"> = {
    roles: [{ role: Role.ADMIN, peers: "all" }],
    stamp: "first",
    disabled: false,
    mustChangePassword: false,
  };
  const users = new Map<string, User & { readonly password: string }>([
    ["ana", { name: "ana", password: "correct horse battery", ...known }],
    ["zoë", { name: "zoë", password: "staple of her own", ...known }],
  ]);
  const tried: string[] = [];
  const state: { wait: number | undefined } = { wait: undefined };
  const marks: (string | undefined)[] = [];
  const verify = async (
    { name, address, mark }: { name: string; address: string; mark?: string | undefined },
    password: SecretText,
  ): Promise<PasswordVerdict> => {
    tried.push(`${name} ${address}`);
    marks.push(mark);
    if (state.wait !== undefined) return { ok: false, why: "wait", seconds: state.wait };
    const user = users.get(name);
    if (user?.password !== password.reveal() || user.disabled) return { ok: false, why: "wrong" };
    return { ok: true, user, mark: new SecretText(`mark-of-${name}`) };
  };
  const audited: AuditEntry[] = [];
  const shelf: Pick<KeptSecrets, "of"> = { of: () => kept as never };
  const signIn = createSignIn({
    settings: o.settings ?? { oidc: undefined, kubernetes: undefined },
    kept: shelf,
    users: {
      get: (name) => users.get(name),
      verify: ({ password, ...from }) => verify(from, password),
      async changePassword({ current, next, ...from }) {
        const verdict = await verify(from, current);
        const before = users.get(from.name);
        if (!verdict.ok || !before) return verdict;
        if (next.reveal().length < 12) return { ok: false, why: "unfit", message: "It is too short." };
        const user = { ...before, stamp: "second", mustChangePassword: false, password: next.reveal() };
        users.set(user.name, user);
        return { ok: true, user, mark: verdict.mark };
      },
    },
    consoleUrl,
    audit: { record: (entry) => void audited.push(entry) },
    clock,
    log: silentLog,
  });
  const console = await startConsole({
    clock,
    ...(consoleUrl !== undefined && { consoleUrl }),
    ...(o.domain !== undefined && { domain: o.domain }),
    ways: [ownWay, ...signIn.ways],
    interceptors: [signIn.refresh],
    pages(app) {
      signIn.routes(app);
      o.pages?.(app);
    },
    routes(router) {
      router.service(AccessService, {
        whoAmI: (_request, { values }) => ({ name: values.get(principalKey)?.name ?? "", kind: CallerKind.OIDC }),
      });
      router.service(SignInService, createSignInService(signIn.service));
      router.service(PeerService, { listPeers: () => ({}) });
    },
  });

  async function call(method: string, message: object, { page = "http://localhost", headers = {} }: From = {}) {
    const said = new URL(page);
    const url = said.port === "" && isLocal(said) ? new URL(`${page}:${console.port}`) : said;
    const service = method === "ListPeers" ? "PeerService" : "SignInService";
    const given = { host: url.host, origin: url.origin, "content-type": "application/json", ...headers };
    const options: RequestOptions = {
      ...{ host: "127.0.0.1", port: console.port, method: "POST", agent: false },
      path: `/fairlead.console.v1.${service}/${method}`,
      headers: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    };
    const isSecure = url.protocol === "https:";
    const req = isSecure ? https.request({ ...options, rejectUnauthorized: false }) : http.request(options);
    req.end(JSON.stringify(message));
    const [res] = (await once(req, "response")) as [IncomingMessage];
    const text = Buffer.concat(await res.toArray()).toString();
    const setCookie = res.headers["set-cookie"]?.[0];
    return {
      status: res.statusCode ?? 0,
      body: JSON.parse(text || "{}"),
      setCookie,
      cookie: setCookie?.split(";")[0] ?? "",
      mark: res.headers["set-cookie"]?.[1]?.split(";")[0] ?? "",
    };
  }

  return Object.assign(state, {
    ...{ console, signIn, kept, users, tried, marks, audited, call },
    async [Symbol.asyncDispose]() {
      await console[Symbol.asyncDispose]();
      await signIn.close();
    },
  });
}

export const byToken = { headers: { authorization: bearer.authorization } };

function isLocal({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "127.0.0.1";
}
