/** Forwards as people write them by the API of an agent on an embedded cluster. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { create, fromJson } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { explainError } from "../../../src/client/explain.ts";
import { withToken } from "../../../src/client/token.ts";
import { createForwardChanges } from "../../../src/console/api/forward-changes.ts";
import { Role } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import { TunnelService } from "../../../src/gen/fairlead/console/v1/tunnel_service_pb.ts";
import {
  type ForwardSpec,
  ForwardSpecSchema,
  ForwardStatusSchema,
} from "../../../src/gen/fairlead/resources/v1alpha1/forward_pb.ts";
import { fromStatus } from "../../../src/kube/errors.ts";
import type { JsonObject } from "../../../src/kube/object.ts";
import { type Forward, forwards } from "../../../src/kube/resources.ts";
import { patience, until } from "../../patience.ts";
import { type ApiWorld, startApi } from "./world.ts";

/** As in YAML. */
function specOf(json: JsonObject): ForwardSpec {
  return fromJson(ForwardSpecSchema, json);
}

const ports = [{ name: "pg", port: 5432 }];
const toWest = specOf({ peer: "west", target: "service/data/db", ports });

function refused(call: Promise<unknown>, code: Code, text: RegExp): Promise<void> {
  return assert.rejects(call, (error) => {
    const { code: said, rawMessage } = ConnectError.from(error);
    assert.match(rawMessage, text);
    assert.equal(Code[said], Code[code]);
    assert.equal(explainError(error).violations.length > 0, code === Code.InvalidArgument);
    return true;
  });
}

suite("Forwards at the console", () => {
  let world: ApiWorld;
  before(async () => {
    world = await startApi();
  });
  after(() => world[Symbol.asyncDispose]());

  const tunnels = (): ApiWorld["town"]["client"]["tunnels"] => world.town.client.tunnels;
  const stored = (ref: { namespace: string; name: string }): Promise<Forward | undefined> =>
    world.town.kube.client.get(forwards, ref, patience());
  const operatorOfWest = async () => {
    const roles = [{ role: Role.OPERATOR, peers: ["west"] }];
    const { secret } = await world.town.client.access.createToken({ name: "west", roles });
    return createClient(TunnelService, withToken(world.transport, secret));
  };

  test("a Forward is made, changed as it was read, and deleted", async () => {
    const ref = { namespace: "default", name: "db" };
    const draft = { ref, spec: toWest, labels: { team: "a" }, annotations: { note: "mine" } };
    await tunnels().createForward({ ...draft, dryRun: true });
    assert.equal(await stored(ref), undefined);
    const { forward: made } = await tunnels().createForward(draft);
    assert.equal((await stored(ref))?.metadata.labels?.team, "a");
    await refused(tunnels().createForward(draft), Code.AlreadyExists, /a Forward db already/);

    const { forward: read } = await tunnels().getForward({ ref });
    const version = read?.version ?? "";
    assert.equal(version, made?.version);
    assert.equal((await tunnels().updateForward({ ...draft, version })).changed, false);
    const other = { ref, spec: specOf({ peer: "west", target: "metrics", ports }), version };
    assert.ok((await tunnels().updateForward({ ...other, dryRun: true })).changed);
    assert.equal((await stored(ref))?.spec.target, "service/data/db");
    await tunnels().updateForward(other);
    const now = await stored(ref);
    assert.deepEqual(
      [now?.spec.target, now?.metadata.labels, now?.metadata.uid],
      ["metrics", undefined, made?.metadata?.uid],
    );
    await refused(tunnels().updateForward(other), Code.Aborted, /changed by somebody else/);

    await refused(tunnels().deleteForward({ ref, version }), Code.Aborted, /changed by somebody else/);
    await tunnels().deleteForward({ ref, dryRun: true });
    assert.ok(await stored(ref));
    await tunnels().deleteForward({ ref });
    await until("it is gone", async () => (await stored(ref)) === undefined);
    for (const call of [tunnels().getForward({ ref }), tunnels().deleteForward({ ref })]) {
      await refused(call, Code.NotFound, /no Forward default\/db/);
    }
  });

  test("what the agent writes of a Forward's status is no change of somebody else's", async () => {
    const ref = { namespace: "default", name: "busy" };
    const { forward } = await tunnels().createForward({ ref, spec: toWest });
    await until("the agent says how it is", async () => (await tunnels().getForward({ ref })).forward?.status?.phase);
    const told = { metadata: ref, status: create(ForwardStatusSchema, { phase: "Ready" }) };
    await world.town.kube.client.applyStatus(forwards, told, { force: true }, patience());
    await tunnels().deleteForward({ ref, version: forward?.version ?? "" });
  });

  test("what could not be carried out is refused before it is written, in the words of the status that it would have", async () => {
    const ref = { namespace: "default", name: "wrong" };
    const elsewhere = specOf({ peer: "west", target: "app/other/web", ports });
    await refused(tunnels().createForward({ ref, spec: elsewhere }), Code.InvalidArgument, /another namespace/);
    const mute = specOf({ peer: "west", target: "service/data/db" });
    await refused(tunnels().createForward({ ref, spec: mute }), Code.InvalidArgument, /ports/);
    const dotted = { namespace: "default", name: "a.b" };
    await refused(tunnels().createForward({ ref: dotted, spec: toWest }), Code.InvalidArgument, /no Service's name/);
    for (const one of [ref, dotted]) assert.equal(await stored(one), undefined);
  });

  test("an operator of one peer makes and changes what leads there, and nothing else", async () => {
    const west = await operatorOfWest();
    const ref = { namespace: "default", name: "west" };
    const toEast = specOf({ peer: "east", target: "service/data/db", ports });
    const offer = specOf({ peer: "west", direction: "Reverse", target: "service/web", ports });
    await refused(west.createForward({ ref, spec: toEast }), Code.PermissionDenied, /east/);
    await refused(west.createForward({ ref, spec: offer }), Code.PermissionDenied, /operator/);
    const { forward } = await west.createForward({ ref, spec: toWest });
    const version = forward?.version ?? "";
    await refused(west.updateForward({ ref, spec: toEast, version }), Code.PermissionDenied, /east/);
    await refused(west.updateForward({ ref, spec: offer, version }), Code.PermissionDenied, /operator/);

    // Also as long as the agent has not heard that it leads elsewhere now; and they do not learn where.
    await tunnels().updateForward({ ref, spec: toEast, version });
    const now = (await tunnels().getForward({ ref })).forward?.version ?? "";
    await refused(west.updateForward({ ref, spec: toWest, version: now }), Code.PermissionDenied, /^(?!.*east)/);
    await refused(west.deleteForward({ ref }), Code.PermissionDenied, /^(?!.*east)/);
    await refused(west.getForward({ ref }), Code.NotFound, /no Forward default\/west/);
    await tunnels().deleteForward({ ref });
  });

  test("the audit tells of a Forward that was deleted at which peer it led to, and of one that was moved from which", async () => {
    const gone = { namespace: "default", name: "gone" };
    const moved = { namespace: "default", name: "moved" };
    for (const ref of [gone, moved]) await tunnels().createForward({ ref, spec: toWest });
    await tunnels().deleteForward({ ref: gone });
    const { forward } = await tunnels().getForward({ ref: moved });
    const spec = specOf({ peer: "east", target: "metrics", ports });
    await tunnels().updateForward({ ref: moved, spec, version: forward?.version ?? "" });
    const told = async (fieldSelector: string) =>
      (await world.town.client.audit.listAudit({ fieldSelector })).entries
        .filter(({ target }) => [gone, moved].some(({ name }) => target === `default/${name}`))
        .map(({ action, message }) => [action, message]);
    const deleted = (await told("peer=west")).filter(([action]) => action === "forward.delete");
    assert.deepEqual(deleted, [["forward.delete", ""]]);
    assert.deepEqual(await told("peer=east"), [["forward.update", "Leads to metrics. It was for west."]]);
  });
});

const nowhere = { namespace: "shop", name: "db" };
const draft = { spec: toWest, labels: {}, annotations: {}, dryRun: false };

function forbidden(): never {
  const attempt = { what: "create Forward shop/db", server: "https://kube" };
  throw fromStatus(attempt, { status: "Failure", code: 403, reason: "Forbidden", message: "exceeded quota: few" });
}

const mute = {
  get: async () => undefined,
  create: forbidden,
  apply: forbidden,
  mergePatch: forbidden,
  delete: forbidden,
};

test("where the agent may write no Forwards, the refusal names the value of the chart that lets it, and what the cluster said", async () => {
  const changes = createForwardChanges({ kube: mute, heard: async () => undefined, noneHere: undefined });
  await refused(
    changes.make(nowhere, draft, patience()),
    Code.FailedPrecondition,
    /forwards\.namespaces: \[shop\].*exceeded quota: few/,
  );
});

test("an agent without a cluster makes none, and says why", async () => {
  const changes = createForwardChanges({
    kube: mute,
    heard: async () => undefined,
    noneHere: "This agent stands alone.",
  });
  await refused(changes.make(nowhere, draft, patience()), Code.FailedPrecondition, /stands alone/);
  await refused(changes.delete(nowhere, { version: "", dryRun: false }, patience()), Code.FailedPrecondition, /alone/);
});

test("who made a Forward has the answer when this agent knows it, so that they are not refused what they do with it next", async () => {
  const asked = Promise.withResolvers<string>();
  const known = Promise.withResolvers<void>();
  const changes = createForwardChanges({
    kube: {
      ...mute,
      create: async (kind) => kind.parse({ apiVersion: "v1", kind: kind.kind, metadata: nowhere, spec: {} }),
    },
    heard(key) {
      asked.resolve(key);
      return known.promise;
    },
    noneHere: undefined,
  });
  let isAnswered = false;
  const made = changes.make(nowhere, draft, patience()).then(() => {
    isAnswered = true;
  });
  assert.equal(await Promise.race([asked.promise, made]), "shop/db");
  assert.equal(isAnswered, false);
  known.resolve();
  await made;
});
