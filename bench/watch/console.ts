/**
 * A console's port with 5,000 apps, as a process of its own. Tells its port; told "start", changes 100 apps a second, each change with
 * the time at which it was made in an annotation, until it is told "stop"; both are answered by the memory that it holds.
 */
import { create } from "@bufbuild/protobuf";
import { systemClock as clock } from "../../src/base/clock.ts";
import { createRefuser } from "../../src/console/access/refuser.ts";
import { toApp } from "../../src/console/api/object.ts";
import { createWatchService } from "../../src/console/api/watch-service.ts";
import { ChangeLog } from "../../src/console/watch/change-log.ts";
import { objectSource } from "../../src/console/watch/object-source.ts";
import { feedSources } from "../../src/console/watch/sources.ts";
import { createWatchHub } from "../../src/console/watch/watch-hub.ts";
import { Topic, WatchService } from "../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { RemoteAppSpecSchema, RemoteAppStatusSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { RemoteApp } from "../../src/kube/resources.ts";
import { startConsole } from "../../test/console/console-world.ts";
import { accessBy, createOffice, person } from "../../test/console/people.ts";

const apps = 5_000;
const perSecond = 100;

const told = new Map<string, RemoteApp>();
let listener: ((key: string, app: RemoteApp) => void) | undefined;
const office = createOffice({ bench: person("bench") });
const log = new ChangeLog({ clock });
const sources = feedSources(log, [
  objectSource<RemoteApp>({
    topic: Topic.APPS,
    isNamespaced: true,
    objects: {
      synced: () => Promise.resolve(),
      subscribe(fn) {
        listener = fn;
        for (const [key, app] of told) fn(key, app);
        return () => undefined;
      },
    },
    traitsOf({ metadata: { labels }, spec: { peer = "" } }) {
      return { peers: [peer], about: [peer], labels };
    },
    now: (app) => ({ case: "app", value: toApp(app) }),
  }),
]);
for (let index = 0; index < apps; index += 1) change(index);
const refuse = createRefuser({ admins: () => [], refused: () => undefined });
const { authenticator } = accessBy([office]);
const hub = createWatchHub({
  log,
  sources,
  present: authenticator.present,
  refuse,
  clock,
  most: { all: 1_000, ofOne: 1_000 },
});
const console = await startConsole({
  ways: [office],
  routes: (router) => void router.service(WatchService, createWatchService({ hub })),
});

let changing: NodeJS.Timeout | undefined;
let made = 0;
process.on("SIGINT", () => undefined);
process.on("message", (message) => {
  clearInterval(changing);
  globalThis.gc?.();
  if (message === "start") {
    const startedAt = performance.now();
    const before = made;
    // Steady, and also when this process was not let run for a while.
    changing = setInterval(() => {
      while (made - before < ((performance.now() - startedAt) / 1_000) * perSecond) {
        change((made * 7) % apps);
        made += 1;
      }
    }, 1_000 / perSecond);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send?.({ rss, used: heapUsed + external, watches: hub.size });
});
process.on("disconnect", () => process.exit(0));
process.send?.({ port: console.port });

function change(index: number): void {
  const name = `app-${index}`;
  const madeAt = (process.hrtime.bigint() / 1_000n).toString().padStart(16, "0");
  const app: RemoteApp = {
    apiVersion: "fairlead.dev/v1alpha1",
    kind: "RemoteApp",
    metadata: {
      namespace: "default",
      name,
      uid: `0000${index}`,
      generation: 1,
      labels: { "app.kubernetes.io/name": name, tier: "web" },
      annotations: { madeAt: `@${madeAt}` },
    },
    spec: create(RemoteAppSpecSchema, {
      peer: "berlin",
      image: "registry.example/shop/web@sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945",
      replicas: 3,
      ports: [{ name: "web", containerPort: 8080, appProtocol: "http" }],
      env: ["A", "B", "C", "D"].map((key) => ({ name: key, value: "a value of some length" })),
    }),
    status: create(RemoteAppStatusSchema, { phase: "Ready", readyReplicas: 3, observedGeneration: 1, peer: "berlin" }),
  };
  told.set(`default/${name}`, app);
  listener?.(`default/${name}`, app);
}
