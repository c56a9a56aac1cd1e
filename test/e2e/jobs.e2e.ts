/** Apps that run to an end on a real cluster: a Job that completes and one that does not, and a CronJob that fires. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Borrowing, images, openBorrowing } from "./borrowing.ts";

let t: Borrowing;
before(
  async () => {
    t = await openBorrowing();
  },
  { timeout: 120_000 },
);
after(() => t?.close(), { timeout: 120_000 });

const job = (script: string, spec: object = {}): Record<string, unknown> => ({
  kind: "Job",
  image: images.shell,
  command: ["sh", "-c", script],
  ...spec,
});

test("a CronJob fires, a Job completes and another one fails, each told here", { timeout: 150_000 }, async () => {
  // Its minute passes while the others run.
  await t.apply("clock", { ...job("echo tick"), kind: "CronJob", cronJob: { schedule: "* * * * *" } });
  await t.apply("work", job("echo worked", { job: { completions: 2, parallelism: 2 } }));
  await t.apply("broken", job("echo no; exit 3", { job: { backoffLimit: 0 } }));
  const done = await t.shows("work", "its end", ({ job }) => job?.completedAt !== undefined);
  assert.equal(done.status?.job?.succeeded, 2);
  assert.equal(done.status?.phase, "Ready");
  assert.equal((await t.hosted<{ status: { succeeded: number } }>("jobs", "work")).status.succeeded, 2);
  // On the way there it is told what its container does.
  const failed = ({ phase, reason }: { phase?: string; reason?: string }): boolean =>
    phase === "Degraded" && reason === "BackoffLimitExceeded";
  await t.shows("broken", "that it failed", failed);
  const fired = await t.shows("clock", "that it has fired", ({ job }) => job?.lastSuccessAt !== undefined, 90);
  assert.ok(fired.status?.job?.lastSuccessAt);
  await t.here("delete", "remoteapps", "--all", "--timeout=50s");
});
