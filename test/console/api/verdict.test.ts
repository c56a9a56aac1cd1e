/** What is told of a peer that is asked whether it would run an app. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, fromJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { verdictOf } from "../../../src/console/api/app-verdict.ts";
import { type CheckResponse, CheckResponseSchema } from "../../../src/gen/fairlead/peer/v1/workload_pb.ts";
import { RemoteAppSpecSchema } from "../../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { createFakeClock } from "../../base/fake-clock.ts";

const spec = create(RemoteAppSpecSchema, { peer: "west", image: "nginx", replicas: 2 });
const asked = { peer: "west", spec, uid: "u-1" };
const never = new AbortController().signal;

suite("the verdict of a peer", () => {
  test("is asked about the spec without the peer's own name, beside the app that it would replace", async () => {
    const seen: unknown[] = [];
    const check = async (peer: string, text: string, uid: string | undefined): Promise<CheckResponse> => {
      seen.push(peer, fromJsonString(RemoteAppSpecSchema, text).peer, uid);
      return create(CheckResponseSchema, { admitted: true });
    };
    const { verdict } = await verdictOf({ check, clock: createFakeClock() }, asked, never);
    assert.equal(verdict, "Admitted");
    assert.deepEqual(seen, ["west", undefined, "u-1"]);
    assert.equal(spec.peer, "west", "the caller's own is left alone");
  });

  test("has every rule that spoke, with what was asked and what is allowed", async () => {
    const violation = { field: "replicas", rule: "max-replicas", message: "too many", asked: "2", allowed: "1" };
    const answer = create(CheckResponseSchema, { reason: "Denied", message: "too many", violations: [violation] });
    const told = await verdictOf({ check: async () => answer, clock: createFakeClock() }, asked, never);
    assert.deepEqual(told, { peer: "west", verdict: "Denied", message: "too many", findings: [violation] });
  });

  test("of one that does not answer is Unknown after five seconds, and says so", async () => {
    const clock = createFakeClock();
    const hung = verdictOf({ check: () => new Promise(() => {}), clock }, asked, never);
    await clock.advance(5_000);
    const { verdict, message } = await hung;
    assert.equal(verdict, "Unknown");
    assert.equal(message, "it did not answer within 5 s");
  });

  for (const [code, says] of [
    [Code.Unavailable, /^away since noon$/],
    [Code.Unimplemented, /of a version that cannot be asked/],
  ] as const) {
    test(`of one that fails with ${Code[code]} is Unknown, with why`, async () => {
      const check = (): Promise<never> => Promise.reject(new ConnectError("away since noon", code));
      const { verdict, message } = await verdictOf({ check, clock: createFakeClock() }, asked, never);
      assert.equal(verdict, "Unknown");
      assert.match(message ?? "", says);
    });
  }

  test("is none when the caller has gone", async () => {
    const gone = new AbortController();
    const hung = verdictOf({ check: () => new Promise(() => {}), clock: createFakeClock() }, asked, gone.signal);
    gone.abort(new Error("gone"));
    await assert.rejects(hung, /gone/);
  });
});
