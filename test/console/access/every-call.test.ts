/**
 * Every call of the API, by everybody there may be: made from what the protos declare, so that a new method is held to it without a
 * line here. The calls go to a console's port; what stands behind it answers nothing.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, suite, test } from "node:test";
import {
  create,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  fromJson,
  getOption,
  isMessage,
  type Message,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { accessPage, consoleServices } from "../../../docs/generate-access.ts";
import { withToken } from "../../../src/client/token.ts";
import type { Concern, Known } from "../../../src/console/access/concern.ts";
import { othersKey } from "../../../src/console/access/guard.ts";
import { type Principal, principalKey, type RoleBinding } from "../../../src/console/auth/principal.ts";
import { access, Role, RoleSchema, Scope, ScopeSchema } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import { AppService } from "../../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { PermissionMissingSchema } from "../../../src/gen/fairlead/console/v1/error_pb.ts";
import { TunnelService } from "../../../src/gen/fairlead/console/v1/tunnel_service_pb.ts";
import { AppSecretSchema } from "../../../src/gen/fairlead/resources/v1alpha1/app_config_pb.ts";
import { type ConsoleWorld, startConsole } from "../console-world.ts";
import { createOffice, person } from "../people.ts";

const services = await consoleServices();

const roles = [Role.VIEWER, Role.OPERATOR, Role.ADMIN] as const;
const reaches: Readonly<Record<string, RoleBinding["peers"]>> = { all: "all", west: ["west"], east: ["east"] };

/** By their tokens. Whoever has two roles has what either gives, and nothing that only both together would. */
const people: Record<string, Principal> = {
  nothing: person("nothing", []),
  mixed: person("mixed", [
    { role: Role.ADMIN, peers: ["east"] },
    { role: Role.VIEWER, peers: "all" },
  ]),
  fresh: { ...person("fresh"), mustChangePassword: true },
};
for (const role of roles) {
  for (const [name, peers] of Object.entries(reaches)) {
    const who = `${RoleSchema.value[role]?.localName.toLowerCase()}-${name}`;
    people[who] = person(who, [{ role, peers }]);
  }
}

/** All that requests name is west's; what is "everywhere" is placed by labels. */
const known: Known = {
  namesMore: (_app, { secrets }) => secrets.length > 0,
  peersOfApp: ({ name }): Concern | undefined =>
    name === "everywhere" ? "all" : name === "west" ? ["west"] : undefined,
  concernOfForward: ({ name }) =>
    name === "everywhere" || name === "offered" ? "all" : name === "west" ? ["west"] : undefined,
  peerOfForward: ({ name }) => (name === "west" || name === "offered" ? "west" : undefined),
  peerOfWorkload: ({ name }) => (name === "west" ? "west" : undefined),
};

suite("every call of the API", () => {
  let world: ConsoleWorld;
  let bare: Transport;
  /** Who has got through to what stands behind the port. */
  let reached: (string | undefined)[] = [];
  let ofOthers = false;

  before(async () => {
    world = await startConsole({
      ways: [createOffice(people)],
      known,
      routes: (router) => {
        for (const service of services) router.service(service, {});
      },
      interceptors: [
        () => (request) => {
          reached.push(request.contextValues.get(principalKey)?.name);
          ofOthers = request.contextValues.get(othersKey);
          throw new ConnectError("This is far enough.", Code.Aborted);
        },
      ],
    });
    bare = createConnectTransport({
      baseUrl: `http://127.0.0.1:${world.port}`,
      httpVersion: "2",
      idleConnectionTimeoutMs: 1,
    });
  });
  after(() => world[Symbol.asyncDispose]());

  /** Undefined when it got through. */
  async function refusal(
    method: DescMethod,
    token: string | undefined,
    request: Message,
  ): Promise<ConnectError | undefined> {
    reached = [];
    const error = await failureOf(token === undefined ? bare : withToken(bare, token), method, request);
    if (error.code === Code.Aborted || error.code === Code.InvalidArgument) return undefined;
    assert.deepEqual(reached, [], `${error.message}`);
    return error;
  }

  for (const method of services.flatMap((service) => service.methods)) {
    const { role, scope, fields, others, beforePasswordChange } = getOption(method, access);
    const what = `${method.parent.name}.${method.name}`;
    const words = `${RoleSchema.value[role]?.localName.toLowerCase()} ${ScopeSchema.value[scope]?.localName.toLowerCase()}`;

    test(`${what} (${words}) lets in whom its proto says, and nobody else`, async () => {
      const ofWest = requestAbout(method, fields, "west");
      for (const [token, { roles, mustChangePassword = false }] of Object.entries(people)) {
        const reaching = roles.filter(
          ({ role: held, peers }) =>
            held >= role &&
            (peers === "all" || scope === Scope.FILTERED || (scope !== Scope.AGENT && peers.includes("west"))),
        );
        const error = await refusal(method, token, ofWest);
        const isSettled = scope === Scope.EVERYBODY || beforePasswordChange || !mustChangePassword;
        const may = isSettled && (scope === Scope.EVERYBODY || scope === Scope.SELF || reaching.length > 0);
        assert.equal(error === undefined, may, `${token}: ${error?.message ?? "was let in"}`);
        if (error === undefined) {
          const decides = roles.some(({ role: held, peers }) => held >= others && peers === "all");
          const isOfOthers = others !== Role.UNSPECIFIED && decides && !mustChangePassword;
          // What breaks a rule of its proto gets no further than to be judged.
          if (reached.length > 0) assert.equal(ofOthers, isOfOthers, token);
          continue;
        }
        assert.equal(error.code, mustChangePassword ? Code.FailedPrecondition : Code.PermissionDenied, error.message);
        if (mustChangePassword) continue;
        const [missing] = error.findDetails(PermissionMissingSchema);
        assert.equal(missing?.role, role);
        assert.equal(missing.what, `${method.parent.typeName}/${method.name}`);
        assert.deepEqual(missing.givenBy, ["grace"]);
        const isHidden = namesByReference(scope, fields) && !seesWest(roles);
        const lacking = scope === Scope.AGENT || isHidden ? "all" : scope === Scope.FILTERED ? "any" : ["west"];
        assert.deepEqual(missing.allPeers ? "all" : missing.peers.length === 0 ? "any" : missing.peers, lacking);
      }
      for (const token of [undefined, "unknown"]) {
        const error = await refusal(method, token, ofWest);
        if (scope === Scope.EVERYBODY) assert.equal(error, undefined, error?.message);
        else assert.equal(error?.code, Code.Unauthenticated, error?.message ?? "was let in");
      }
    });

    if (fields.length > 0) {
      test(`${what} tells nobody of what they may not see whether it exists`, async () => {
        for (const [token, { roles }] of Object.entries(people)) {
          if (seesWest(roles)) continue;
          const there = await refusal(method, token, requestAbout(method, fields, "west"));
          const nowhere = await refusal(method, token, requestAbout(method, fields, "ghost"));
          assert.deepEqual(tellingOf(there), tellingOf(nowhere), token);
          if (!namesByReference(scope, fields) || scope === Scope.WORKLOAD) continue;
          const anywhere = await refusal(method, token, requestAbout(method, fields, "everywhere"));
          assert.deepEqual(tellingOf(anywhere), tellingOf(nowhere), token);
        }
      });
    }
    if (scope === Scope.APP) {
      test(`${what} needs its role for all peers where an app may be placed anywhere`, async () => {
        const anywhere = requestAbout(method, fields, "everywhere");
        assert.equal((await refusal(method, "admin-west", anywhere))?.code, Code.PermissionDenied);
        assert.equal(await refusal(method, "admin-all", anywhere), undefined);
      });
    }
    if (scope === Scope.PEER) {
      test(`${what} needs its role for all peers where none is named`, async () => {
        assert.equal((await refusal(method, "admin-west", create(method.input)))?.code, Code.PermissionDenied);
        assert.equal(await refusal(method, "admin-all", create(method.input)), undefined);
      });
    }
  }

  test("one that names what lies in the app's namespace, and the app did not, needs its role for all peers", async () => {
    const method = AppService.method.deployApp;
    const request = requestAbout(method, ["ref", "spec"], "west");
    assert.ok(request.spec);
    Object.assign(request.spec, { secrets: [create(AppSecretSchema, { name: "stripe" })] });
    assert.equal((await refusal(method, "admin-west", request))?.code, Code.PermissionDenied);
    assert.equal(await refusal(method, "operator-all", request), undefined);
  });

  test("one that would change a Forward tells nobody of one they may not see whether it exists, wherever it is to lead", async () => {
    const method = TunnelService.method.updateForward;
    const changed = (name: string, to: string): Message => {
      const { spec } = requestAbout(method, ["spec"], to);
      return Object.assign(requestAbout(method, ["ref"], name), { spec });
    };
    for (const to of ["east", "west", "everywhere"]) {
      const nowhere = await refusal(method, "operator-east", changed("ghost", to));
      assert.equal(nowhere?.code, Code.PermissionDenied);
      for (const name of ["west", "everywhere"]) {
        const there = await refusal(method, "operator-east", changed(name, to));
        assert.deepEqual(tellingOf(there), tellingOf(nowhere), `${name} to ${to}`);
      }
    }
    // Whoever sees all learns that it is not there, and still needs the role for where it would lead.
    assert.equal((await refusal(method, "mixed", changed("ghost", "west")))?.code, Code.PermissionDenied);
    assert.equal(await refusal(method, "mixed", changed("ghost", "east")), undefined);
  });

  test("a Forward that offers something to a peer is nobody's of that peer to delete, but no secret to them", async () => {
    const method = TunnelService.method.deleteForward;
    const ask = (who: string, name: string) => refusal(method, who, requestAbout(method, ["ref"], name));
    assert.match((await ask("operator-west", "offered"))?.rawMessage ?? "", /for all peers\./);
    assert.deepEqual(tellingOf(await ask("operator-east", "offered")), tellingOf(await ask("operator-east", "ghost")));
  });

  test("one that moves an app needs its role for where it was and where it goes", async () => {
    const method = AppService.method.deployApp;
    const moved = requestAbout(method, ["ref"], "west");
    Object.assign(moved, { spec: requestAbout(method, ["spec"], "east").spec });
    const error = await refusal(method, "operator-west", moved);
    const [missing] = error?.findDetails(PermissionMissingSchema) ?? [];
    assert.deepEqual(missing?.peers, ["east"]);
    assert.equal(await refusal(method, "operator-all", moved), undefined);
  });
});

test("the page of access says what the protos do (make docs brings it up to date)", () => {
  assert.equal(readFileSync(new URL("../../../docs/access.md", import.meta.url), "utf8"), accessPage(services));
});

/** Whether the request names what has to be there already, or is refused as if it named nothing. */
function namesByReference(scope: Scope, fields: readonly string[]): boolean {
  if (scope === Scope.WORKLOAD) return true;
  return scope === Scope.FORWARD ? fields.includes("ref") : scope === Scope.APP && !fields.includes("spec");
}

function seesWest(roles: readonly RoleBinding[]): boolean {
  return roles.some(({ peers }) => peers === "all" || peers.includes("west"));
}

/** All that a refusal says, but for the name that was asked for. */
function tellingOf(error: ConnectError | undefined): unknown {
  const [missing] = error?.findDetails(PermissionMissingSchema) ?? [];
  const unnamed = (text: string): string => text.replace(/ for (west|ghost)\./, " for it.");
  return [error?.code, unnamed(error?.rawMessage ?? ""), missing?.allPeers, missing?.peers.length];
}

/** One that names `name` in these fields, which are paths of strings, references or specs. */
function requestAbout<M extends DescMethod>(
  method: M,
  fields: readonly string[],
  name: string,
): Message & { spec?: unknown } {
  const json: Record<string, unknown> = {};
  for (const path of fields) {
    const names = path.split(".");
    let at = json;
    let within = method.input;
    names.forEach((part, depth) => {
      const field = within.fields.find((one) => one.name === part);
      assert.ok(field, `${method.name} has ${path}`);
      const key = field.jsonName;
      if (depth === names.length - 1) {
        if (field.fieldKind === "list") at[key] = [name];
        else if (field.fieldKind !== "message")
          at[key] = field.name === "name" && /inbox/i.test(method.name) ? `${name}/x` : name;
        else if (field.message.name === "ObjectRef") at[key] = { namespace: "shop", name };
        else if (name !== "everywhere") at[key] = { peer: name };
        else at[key] = field.message.name === "ForwardSpec" ? { direction: "Reverse" } : { placement: {} };
        return;
      }
      assert.ok(field.fieldKind === "message");
      const next: Record<string, unknown> = {};
      at[key] = next;
      at = next;
      within = field.message;
    });
  }
  return fromJson(method.input, JSON.parse(JSON.stringify(json)));
}

async function failureOf(transport: Transport, method: DescMethod, request: Message): Promise<ConnectError> {
  const signal = AbortSignal.timeout(60_000);
  assert.ok(isMessage(request, method.input));
  try {
    if (isUnary(method)) await transport.unary(method, signal, undefined, undefined, request);
    else if (isStreaming(method)) {
      const answer = await transport.stream(method, signal, undefined, undefined, once(request));
      for await (const _ of answer.message) break;
    }
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error(`${method.name} was answered`);
}

async function* once<T>(value: T): AsyncGenerator<T> {
  yield value;
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === "unary";
}

function isStreaming(method: DescMethod): method is DescMethodStreaming {
  return method.methodKind !== "unary";
}
