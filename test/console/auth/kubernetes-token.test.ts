import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { createKubernetesWay } from "../../../src/console/auth/kubernetes-token.ts";
import { Role } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import { KubeError } from "../../../src/kube/errors.ts";
import type { TokenOwner } from "../../../src/kube/token-review.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { patience } from "../../patience.ts";

const ci: TokenOwner = { username: "system:serviceaccount:ci:deployer", groups: ["system:serviceaccounts:ci"] };
const startsAt = Date.UTC(2026, 0, 1);

function tokenOf(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return [
    part({ alg: "RS256" }),
    part({ aud: ["fairlead.dev"], exp: startsAt / 1_000 + 3_600, ...claims }),
    "c2ln",
  ].join(".");
}

/** An API server that knows some tokens, and of which somebody counts the questions. */
function world() {
  const clock = createFakeClock(startsAt);
  const known = new Map<string, TokenOwner>();
  const asked: string[] = [];
  const state: { failure?: Error } = {};
  const way = createKubernetesWay({
    async review(token) {
      asked.push(token);
      await Promise.resolve();
      if (state.failure) throw state.failure;
      return known.get(token);
    },
    rules: [{ group: "system:serviceaccounts:ci", role: "operator", peers: ["berlin"] }],
    clock,
  });
  const present = (token: string, address = "192.0.2.7") => {
    const request = { method: "POST", url: "https://fairlead.example/x", upgrade: false, address };
    return way.authenticate({ ...request, authorization: `Bearer ${token}` }, patience());
  };
  return { clock, known, asked, state, way, present };
}

test("whom the API server knows has what the rules give to their groups", async () => {
  const { known, present, way } = world();
  const token = tokenOf({});
  known.set(token, ci);
  const principal = await present(token);
  assert.deepEqual(
    { ...principal, credential: "" },
    {
      name: `kubernetes:${ci.username}`,
      kind: "kubernetes",
      roles: [{ role: Role.OPERATOR, peers: ["berlin"] }],
      credential: "",
    },
  );
  assert.match(principal?.credential ?? "", /^kubernetes:[\w-]{43}$/);
  assert.deepEqual(way.present(principal?.credential ?? ""), principal);
  assert.equal(way.present("kubernetes:another"), undefined);
  assert.equal(way.present("session:another"), undefined);
});

test("one whom no rule names is nobody: each pod can have a token", async () => {
  const { known, asked, present } = world();
  const token = tokenOf({});
  known.set(token, { username: "system:serviceaccount:dev:web", groups: ["system:serviceaccounts:dev"] });
  assert.equal(await present(token), undefined);
  assert.equal(await present(token), undefined);
  assert.equal(asked.length, 1);
});

test("the API server is not asked about what cannot be a token for here", async () => {
  const { asked, present, way } = world();
  const wrong = [
    tokenOf({ aud: ["https://kubernetes.default.svc.cluster.local"] }),
    tokenOf({ aud: "kubernetes" }),
    tokenOf({ aud: undefined }),
    tokenOf({ exp: startsAt / 1_000 }),
    tokenOf({ exp: undefined }),
    tokenOf({ filling: "x".repeat(9_000) }),
    `flt_${"a".repeat(43)}`,
    "a.b.c",
    "..",
  ];
  for (const token of wrong) assert.equal(await present(token), undefined, token);
  const request = { method: "POST", url: "https://fairlead.example/x", upgrade: false };
  assert.equal(await way.authenticate(request, patience()), undefined);
  assert.equal(await way.authenticate({ ...request, authorization: `Basic ${tokenOf({})}` }, patience()), undefined);
  assert.equal(asked.length, 0);
});

test("a yes holds for 30 s and a no for 5 s", async () => {
  const { clock, known, asked, present } = world();
  const [good, bad] = [tokenOf({}), tokenOf({ sub: "nobody" })];
  known.set(good, ci);
  for (let n = 0; n < 3; n += 1) {
    assert.ok(await present(good));
    assert.equal(await present(bad), undefined);
  }
  assert.deepEqual(asked, [good, bad]);
  await clock.advance(4_999);
  assert.equal(await present(bad), undefined);
  assert.equal(asked.length, 2);
  await clock.advance(1);
  known.set(bad, ci);
  assert.ok(await present(bad));
  await clock.advance(24_999);
  assert.ok(await present(good));
  assert.equal(asked.length, 3);
  await clock.advance(1);
  known.delete(good);
  assert.equal(await present(good), undefined);
  assert.equal(asked.length, 4);
});

test("many who come at once with one token are one question", async () => {
  const { known, asked, present } = world();
  const token = tokenOf({});
  known.set(token, ci);
  const all = await Promise.all(Array.from({ length: 200 }, () => present(token)));
  assert.ok(all.every((principal) => principal?.name === `kubernetes:${ci.username}`));
  assert.equal(asked.length, 1);
});

test("an API server that does not answer makes nobody a stranger: it is said to be unavailable, and not remembered", async () => {
  const { known, state, present } = world();
  const token = tokenOf({});
  known.set(token, ci);
  for (const status of [429, 500, 0, 403]) {
    state.failure = new KubeError({ status, reason: "Trouble", message: "Could not create TokenReview: trouble." });
    await assert.rejects(present(token), (error) => error instanceof ConnectError && error.code === Code.Unavailable);
  }
  delete state.failure;
  assert.ok(await present(token));
});

test("strangers cannot make the agent ask without end, nor keep out whom it knows", async () => {
  const { clock, known, asked, present } = world();
  let count = 0;
  /** How many are asked about of so many that nobody knows. */
  const flood = async (times: number, address: (n: number) => string): Promise<number> => {
    const before = asked.length;
    for (let n = 0; n < times; n += 1) {
      count += 1;
      await present(tokenOf({ sub: `stranger ${count}` }), address(n)).catch((error) => {
        assert.equal(ConnectError.from(error).code, Code.ResourceExhausted);
      });
    }
    return asked.length - before;
  };
  const [token, another, third] = [tokenOf({}), tokenOf({ sub: "another" }), tokenOf({ sub: "third" })];
  for (const one of [token, another, third]) known.set(one, ci);
  assert.ok(await present(token, "10.0.0.1"));
  assert.equal(await flood(100, () => "192.0.2.9"), 20, "of one address");
  assert.equal(await flood(100, (n) => `2001:db8::${n.toString(16)}`), 20, "of one network");
  assert.equal(await flood(100, (n) => `198.51.100.${n}`), 50 - 41, "of all");
  await assert.rejects(present(another, "203.0.113.5"), "one who was never seen to be good, from nowhere good");
  assert.ok(await present(another, "10.0.0.1"), "one from where a good one came");
  await clock.advance(30_000);
  await flood(100, (n) => `198.51.100.${n}`);
  assert.ok(await present(token, "203.0.113.6"), "one that was good before, from wherever");
  assert.ok(await present(third, "203.0.113.6"));
});

test("an API server that does not answer about a token is let alone, and what it said last counts for five minutes", async () => {
  const { clock, known, asked, state, way, present } = world();
  const token = tokenOf({});
  known.set(token, ci);
  const { credential = "" } = (await present(token)) ?? {};
  await clock.advance(30_000);
  state.failure = new KubeError({ status: 429, reason: "TooManyRequests", message: "Too many." });
  for (let halfSeconds = 0; halfSeconds < 200; halfSeconds += 1) {
    assert.ok(way.present(credential));
    assert.ok(await present(token));
    await clock.advance(500);
  }
  assert.equal(asked.length, 1 + 20, "each five seconds");
  await clock.advance(170_000);
  assert.equal(way.present(credential), undefined);
  await assert.rejects(present(token), (error) => error instanceof ConnectError && error.code === Code.Unavailable);
});

test("what runs under a token is looked at again, ends when the API server says no, and outlives a short silence of it", async () => {
  const { clock, known, asked, state, way, present } = world();
  const token = tokenOf({});
  known.set(token, ci);
  const { credential = "" } = (await present(token)) ?? {};
  await clock.advance(30_000);
  assert.ok(way.present(credential));
  await clock.advance(0);
  assert.equal(asked.length, 2);
  state.failure = new Error("away");
  await clock.advance(299_999);
  assert.ok(way.present(credential));
  await clock.advance(1);
  assert.equal(way.present(credential), undefined);
  delete state.failure;
  await clock.advance(5_000);
  way.present(credential);
  await clock.advance(0);
  assert.ok(way.present(credential), "and goes on when it answers again");
  await clock.advance(30_000);
  known.delete(token);
  way.present(credential);
  await clock.advance(0);
  assert.equal(way.present(credential), undefined);
});

test("a token ends by itself", async () => {
  const { clock, known, way, present } = world();
  const token = tokenOf({ exp: startsAt / 1_000 + 10 });
  known.set(token, ci);
  const { credential = "" } = (await present(token)) ?? {};
  await clock.advance(9_999);
  assert.ok(way.present(credential));
  await clock.advance(1);
  assert.equal(way.present(credential), undefined);
  assert.equal(await present(token), undefined);
});
