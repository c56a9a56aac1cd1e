import assert from "node:assert/strict";
import { test } from "node:test";
import { CliError } from "../../src/cli/errors.ts";
import { planForwards } from "../../src/cli/listen-place.ts";
import { parseTarget, targetText } from "../../src/client/target.ts";

/** `TARGET at PLACE` for each. */
function plan(...words: string[]): string[] {
  return planForwards(words, parseTarget, "127.0.0.1").map(({ target, place }) => {
    return `${targetText(target)} at ${"path" in place ? place.path : `${place.host} ${place.port}`}`;
  });
}

const db = "service/shop/db:5432";

test("a target is listened for at its own port unless a place is said, in the forms of kubectl and ssh", () => {
  const forms: Record<string, string> = {
    "": "127.0.0.1 5432",
    "8080": "127.0.0.1 8080",
    ":0": "127.0.0.1 0",
    "0": "127.0.0.1 0",
    "127.0.0.2:8080": "127.0.0.2 8080",
    "localhost:8080": "127.0.0.1 8080",
    "[::1]:8080": "::1 8080",
    "*:8080": ":: 8080",
    "0.0.0.0:8080": "0.0.0.0 8080",
    "8080:5432": "127.0.0.1 8080",
    "127.0.0.2:8080:5432": "127.0.0.2 8080",
    "unix:db.sock": "db.sock",
    "/run/db.sock": "/run/db.sock",
    "./db.sock": "./db.sock",
    "../db.sock": "../db.sock",
  };
  for (const [form, place] of Object.entries(forms)) {
    assert.deepEqual(plan(db, ...(form === "" ? [] : [form])), [`${db} at ${place}`], form);
  }
  assert.deepEqual(plan("kubernetes", "6443"), ["kubernetes at 127.0.0.1 6443"]);
  assert.deepEqual(plan("kubernetes"), ["kubernetes at 127.0.0.1 0"]);
});

test("a target without a port has the one that its place says, as kubectl has it", () => {
  assert.deepEqual(plan("svc/shop/db", "8080"), ["service/shop/db:8080 at 127.0.0.1 8080"]);
  assert.deepEqual(plan("svc/shop/db", "8080:80"), ["service/shop/db:80 at 127.0.0.1 8080"]);
  assert.deepEqual(plan("svc/shop/db", ":http"), ["service/shop/db:http at 127.0.0.1 0"]);
  assert.deepEqual(plan("svc/shop/db", "http"), ["service/shop/db:http at 127.0.0.1 0"]);
  assert.deepEqual(plan("svc/shop/db", "[::1]:8080:http"), ["service/shop/db:http at ::1 8080"]);
  assert.deepEqual(plan("svc/shop/db", ":0"), ["service/shop/db at 127.0.0.1 0"]);
  assert.deepEqual(plan("svc/shop/db", "unix:/tmp/s"), ["service/shop/db at /tmp/s"]);
});

test("several targets, each with the places after it", () => {
  assert.deepEqual(plan(db, "1", "2", "app/shop/web:http", "svc/shop/cache:6379", ":0"), [
    `${db} at 127.0.0.1 1`,
    `${db} at 127.0.0.1 2`,
    "app/shop/web:http at 127.0.0.1 0",
    "service/shop/cache:6379 at 127.0.0.1 0",
  ]);
  assert.deepEqual(
    plan("metrics", "1", "route/a.example.org:80", "2", "node/worker-1", "address/erp:1", "node/worker-2", "3"),
    [
      "metrics at 127.0.0.1 1",
      "route/a.example.org:80 at 127.0.0.1 2",
      "node/worker-1 at 127.0.0.1 0",
      "address/erp:1 at 127.0.0.1 1",
      "node/worker-2 at 127.0.0.1 3",
    ],
  );
});

test("each kind of target that there is can follow another, and one that is none is told of as such", () => {
  const targets = [db, "app/shop/web:80", "address/erp:1433", "route/shop.example.org:80", "metrics", "kubernetes"];
  const listened = plan(...targets.flatMap((target) => [target, ":0"]));
  assert.deepEqual(
    listened,
    targets.map((target) => `${target} at 127.0.0.1 0`),
  );
  assert.throws(() => plan(db, "services/shop/cache:80"), /"services\/shop\/cache:80" is nothing that a peer can have/);
});

test("what is no target, no place, or says a port twice is told with what could be written", () => {
  const wrong = (words: string[], message: RegExp): void =>
    assert.throws(
      () => plan(...words),
      (error) => error instanceof CliError && message.test(error.message) && error.hint !== undefined,
      words.join(" "),
    );
  for (const word of ["shop/db", "pod/shop/db", "service/shop", "service/shop/db:0", "service/Shop/db", "8080", ""]) {
    wrong([word], /nothing that a peer can have/);
  }
  const places = [
    "",
    ":",
    "80:",
    "70000",
    "70000:80",
    "8080:70000",
    "080",
    "a:b",
    "host:80",
    "1.2.3:80",
    "[::1]80",
    "1:2:3",
  ];
  for (const word of places) wrong([db, word], /no place to listen/);
  wrong([db, "8080:80"], /the target has the port 5432 already/);
  wrong([db, "postgres"], /the target has the port 5432 already/);
  wrong(["kubernetes", "8080:443"], /the target has no ports/);
});
