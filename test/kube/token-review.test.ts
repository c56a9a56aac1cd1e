import assert from "node:assert/strict";
import { test } from "node:test";
import { createReviewToken } from "../../src/kube/token-review.ts";
import { patience } from "../patience.ts";

/** What becomes of this answer of an API server. */
function reviewed(status: object | undefined) {
  const asked: unknown[] = [];
  const create = async (_kind: unknown, object: object) => {
    asked.push(object);
    return { ...object, status } as never;
  };
  const review = createReviewToken({ client: { create }, audience: "fairlead.dev" });
  return review("a-token", patience()).then((owner) => ({ owner, asked }));
}

const user = { username: "system:serviceaccount:ci:deployer", groups: ["system:authenticated"] };
const audiences = ["fairlead.dev"];

test("whose a token is, is what the API server says of one for this audience", async () => {
  const { owner, asked } = await reviewed({ authenticated: true, user, audiences });
  assert.deepEqual(owner, user);
  assert.deepEqual(asked, [{ metadata: {}, spec: { token: "a-token", audiences } }]);
  const bare = await reviewed({ authenticated: true, user: { username: "ana" }, audiences });
  assert.deepEqual(bare.owner, { username: "ana", groups: [] });
});

test("a yes that does not name the audience is none: an authenticator that knows of no audiences says it of every token", async () => {
  for (const status of [
    undefined,
    {},
    { authenticated: false, user, audiences },
    { user, audiences },
    { authenticated: true, user },
    { authenticated: true, user, audiences: [] },
    { authenticated: true, user, audiences: ["https://kubernetes.default.svc"] },
    { authenticated: true, user: {}, audiences },
    { authenticated: true, user: { username: "" }, audiences },
    { authenticated: true, audiences },
  ]) {
    assert.equal((await reviewed(status)).owner, undefined, JSON.stringify(status));
  }
});
