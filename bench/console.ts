/**
 * How quick the console is with many apps while they change: `node bench/console.ts [--apps 5000] [--changes 500] [--seconds 10]`.
 * A real Chromium looks at the list, over a console whose watch tells of so many apps and so many changes a second. Says how long keys and clicks
 * waited for the next frame, and how long the first view took.
 */
import { parseArgs } from "node:util";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { systemClock } from "../src/base/clock.ts";
import { createPageSource } from "../src/console/pages/page-source.ts";
import { servePages } from "../src/console/pages/pages.ts";
import { CallerKind, Role } from "../src/gen/fairlead/console/v1/access_pb.ts";
import { AccessService } from "../src/gen/fairlead/console/v1/access_service_pb.ts";
import { AgentService } from "../src/gen/fairlead/console/v1/agent_service_pb.ts";
import { SignInService } from "../src/gen/fairlead/console/v1/sign_in_service_pb.ts";
import {
  type ChangeSchema,
  Topic,
  WatchResponseSchema,
  WatchService,
} from "../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { startBrowser } from "../test/browser/chromium.ts";
import { startConsole, token } from "../test/console/console-world.ts";

const { values } = parseArgs({
  options: {
    apps: { type: "string", default: "5000" },
    changes: { type: "string", default: "500" },
    seconds: { type: "string", default: "10" },
  },
});
const apps = Number(values.apps);
const perSecond = Number(values.changes);
const phases = ["Ready", "Degraded", "Progressing", "Held"];

/** The agent tells what comes within so many milliseconds together. */
const batchMs = 50;

function change(index: number, round: number): MessageInitShape<typeof ChangeSchema> {
  const name = `app-${String(index).padStart(5, "0")}`;
  const namespace = `team-${index % 20}`;
  const phase = phases[(index + round) % phases.length] ?? "Ready";
  const status = {
    phase,
    peer: `peer-${index % 30}`,
    readyReplicas: round % 3,
    message: "2 of 3 pods are ready",
    revision: round,
  };
  const spec = { image: `registry.example/team/${name}:1.${round}`, replicas: 3, peer: `peer-${index % 30}` };
  const metadata = { namespace, name, createdAt: "2026-01-01T00:00:00Z" };
  return { topic: Topic.APPS, namespace, name, now: { case: "app", value: { metadata, spec, status } } };
}

await using world = await startConsole({
  pages: (app) => servePages(app, { ...createPageSource(), clock: systemClock }),
  routes(router) {
    const roles = [{ role: Role.ADMIN, allPeers: true }];
    router.service(AccessService, { whoAmI: () => ({ name: "bench", kind: CallerKind.TOKEN, roles }) });
    router.service(AgentService, { getInfo: () => ({ name: "bench" }) });
    router.service(SignInService, { getSignInOptions: () => ({ password: true }) });
    router.service(WatchService, {
      async *watch(_request, { signal }) {
        const all = Array.from({ length: apps }, (_, index) => change(index, 0));
        for (let at = 0; at < all.length; at += 500) {
          yield create(WatchResponseSchema, { changes: all.slice(at, at + 500) });
        }
        yield create(WatchResponseSchema, { isSynced: true, resume: "0" });
        const batch = Math.max(1, Math.round((perSecond * batchMs) / 1_000));
        for (let round = 1; !signal.aborted; round += 1) {
          await systemClock.sleep(batchMs, signal);
          const changes = Array.from({ length: batch }, () => change(Math.floor(Math.random() * apps), round));
          yield create(WatchResponseSchema, { changes, resume: String(round) });
        }
      },
    });
  },
});
await using browser = await startBrowser();
const visitor = await browser.visitor({ viewport: { width: 1280, height: 900 } });
const page = await visitor.newPage();
await page.goto(`http://localhost:${world.port}/apps`);
await page.getByRole("button", { name: "Use a token" }).click();
await page.getByLabel("Token").fill(token);
const began = performance.now();
await page.keyboard.press("Enter");
await page.getByRole("row").nth(5).waitFor();
const firstMs = performance.now() - began;

/** Each event's time from the hand to the frame that shows what it did, as the browser itself measures it. */
await page.evaluate(`
  globalThis.delays = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.interactionId) delays.push([entry.processingStart - entry.startTime, entry.duration]);
  }).observe({ type: "event", durationThreshold: 16, buffered: true });
  globalThis.frames = 0;
  requestAnimationFrame(function count() { frames += 1; requestAnimationFrame(count); });
`);
const until = performance.now() + Number(values.seconds) * 1_000;
const filter = page.getByLabel("Filter by words");
const framesBefore = await page.evaluate<number>("frames");
while (performance.now() < until) {
  await filter.focus();
  await page.keyboard.type("team-1", { delay: 60 });
  await filter.fill("");
  await page.keyboard.press("Escape");
  for (let n = 0; n < 10; n += 1) await page.keyboard.press("j", { delay: 20 });
  await page.getByRole("button", { name: "State", exact: true }).click();
}
const seconds = Number(values.seconds);
const frames = ((await page.evaluate<number>("frames")) - framesBefore) / seconds;
const measured = await page.evaluate<[number, number][]>("delays");
const at = (numbers: number[], share: number): number =>
  Math.round(numbers.sort((a, b) => a - b)[Math.floor(numbers.length * share)] ?? 0);
const waited = measured.map(([delay]) => delay);
const shown = measured.map(([, duration]) => duration);
console.log(`${apps} apps, ${perSecond} changes a second, ${seconds} s
first rows         ${Math.round(firstMs)} ms after signing in
input delay        p50 ${at(waited, 0.5)} ms, p99 ${at(waited, 0.99)} ms
key to frame       p50 ${at(shown, 0.5)} ms, p99 ${at(shown, 0.99)} ms, of ${measured.length} that took 16 ms or more
frames             ${Math.round(frames)} a second`);
