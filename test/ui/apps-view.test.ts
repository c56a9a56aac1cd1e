/** What the list of apps shows of what is asked for in its address. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { type App, AppSchema } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { toAppRow } from "../../ui/src/model/app-row.ts";
import { countPhases, isNarrowed, lookAt, readAppsView, writeAppsView } from "../../ui/src/model/apps-view.ts";

function app(name: string, phase: string, more: { namespace?: string; peer?: string; createdAt?: string } = {}): App {
  const { namespace = "default", peer = "berlin", createdAt = "2026-01-01T00:00:00Z" } = more;
  const metadata = { namespace, name, createdAt };
  return create(AppSchema, { metadata, spec: { peer, image: "web:1", replicas: 2 }, status: { phase, peer } });
}

const rows = [
  app("web", "Ready"),
  app("api", "Degraded", { peer: "tokyo", createdAt: "2026-01-03T00:00:00Z" }),
  app("cron", "Held", { namespace: "jobs", createdAt: "2026-01-02T00:00:00Z" }),
].map(toAppRow);

const shown = (query: string) => lookAt(rows, readAppsView(new URLSearchParams(query))).map(({ name }) => name);

test("without a word, all are there, by name", () => {
  assert.deepEqual(shown(""), ["api", "cron", "web"]);
});

test("each word has to be somewhere in the line, in either case", () => {
  assert.deepEqual(shown("q=BERLIN"), ["cron", "web"]);
  assert.deepEqual(shown("q=berlin+jobs"), ["cron"]);
  assert.deepEqual(shown("q=oslo"), []);
});

test("state, peer and namespace narrow it together", () => {
  assert.deepEqual(shown("phase=Held"), ["cron"]);
  assert.deepEqual(shown("peer=berlin&namespace=default"), ["web"]);
  assert.deepEqual(shown("peer=tokyo&phase=Ready"), []);
});

test("the order is that of the address, and an order that there is none of counts as none", () => {
  assert.deepEqual(shown("sort=phase"), ["api", "cron", "web"]);
  assert.deepEqual(shown("sort=-phase"), ["web", "cron", "api"]);
  assert.deepEqual(shown("sort=age"), ["api", "cron", "web"], "the youngest first");
  assert.deepEqual(shown("sort=-age"), ["web", "cron", "api"]);
  assert.deepEqual(shown("sort=size"), ["api", "cron", "web"]);
});

test("what is read from an address is written into the same one, and what is as it is anyway is left out", () => {
  for (const query of [
    "",
    "q=a+b&phase=Held&peer=x&namespace=y&sort=-age&app=default%2Fweb",
    "sort=peer",
    "sort=-name",
  ]) {
    assert.equal(writeAppsView(readAppsView(new URLSearchParams(query))).toString(), query);
  }
  assert.equal(isNarrowed(readAppsView(new URLSearchParams("sort=age&app=a%2Fb"))), false);
  assert.equal(isNarrowed(readAppsView(new URLSearchParams("q=a"))), true);
});

test("the phases are counted, the worst first", () => {
  assert.deepEqual(
    countPhases([...rows, toAppRow(app("b", "Ready"))]).map(({ phase, count }) => [phase, count]),
    [
      ["Degraded", 1],
      ["Held", 1],
      ["Ready", 2],
    ],
  );
});

test("an app says why it is as it is, once, and what its pods add to it", () => {
  const status = {
    phase: "Degraded",
    reason: "CrashLoopBackOff",
    message: "0 of 1 pods are ready",
    pods: [{ name: "web-1", ready: false, reason: "OOMKilled", exitCode: 137 }],
  };
  const row = toAppRow(create(AppSchema, { metadata: { name: "web" }, status }));
  assert.equal(row.cause, "CrashLoopBackOff: 0 of 1 pods are ready: web-1: OOMKilled, exit 137");
  const held = toAppRow(create(AppSchema, { status: { phase: "Held", reason: "Held", message: "It waits." } }));
  assert.equal(held.cause, "It waits.");
  assert.equal(toAppRow(app("web", "Ready")).cause, "");
  assert.equal(toAppRow(create(AppSchema, { metadata: { deletedAt: "2026-01-01T00:00:00Z" } })).phase, "Deleting");
});
