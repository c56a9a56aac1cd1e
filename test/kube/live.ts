/**
 * What this room promises of a living API server, the same for the sandbox and for a real cluster. Each run works in a
 * namespace of its own and removes it.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { parse } from "yaml";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { PeerSpecSchema, PeerStatusSchema } from "../../src/gen/fairlead/resources/v1alpha1/peer_pb.ts";
import { RemoteAppSpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { connectKube, type KubeConnection } from "../../src/kube/connect.ts";
import { checkDefinitions } from "../../src/kube/definitions.ts";
import { isAlreadyExists, isConflict, isExpired, isNotFound, KubeError } from "../../src/kube/errors.ts";
import { createEventRecorder } from "../../src/kube/event-recorder.ts";
import { isJsonObject, type JsonObject } from "../../src/kube/object.ts";
import { isReady } from "../../src/kube/pods.ts";
import { createReflector } from "../../src/kube/reflector.ts";
import {
  configMaps,
  customResourceDefinitions,
  deployments,
  events,
  namespaces,
  peers,
  pods,
  type RemoteApp,
  remoteApps,
  services,
} from "../../src/kube/resources.ts";
import { createStatusWriter } from "../../src/kube/status-writer.ts";
import { until } from "../patience.ts";
import { collect } from "./fake-server.ts";

const definitions = new URL("../../charts/fairlead/crds/", import.meta.url);
const limit = (): AbortSignal => AbortSignal.timeout(30_000);

/** An API server to test against. */
export interface Place {
  /** Path of its kubeconfig. */
  kubeconfig: string;
  /** A web server that it can run: it listens on a port, answers "GET /" with HTML and prints a line for each request. */
  web: { image: string; port: number };
  close(): Promise<void>;
}

/** Declares the tests. */
export function testLive(open: () => Promise<Place>): void {
  const namespace = `kube-${randomBytes(4).toString("hex")}`;
  let place: Place;
  let kube: KubeConnection;

  before(async () => {
    place = await open();
    kube = await connectKube({ kubeconfig: place.kubeconfig, clock: systemClock });
    for (const file of readdirSync(definitions)) {
      const json: JsonObject = parse(readFileSync(new URL(file, definitions), "utf8"));
      const definition = customResourceDefinitions.parse(json);
      await kube.client.apply(customResourceDefinitions, definition, { force: true }, limit());
    }
    await until("our resources", () =>
      checkDefinitions(kube.requests, limit()).then(
        () => true,
        () => undefined,
      ),
    );
    await kube.client.create(namespaces, { metadata: { name: namespace } }, limit());
  });

  after(async () => {
    await kube.client.delete(namespaces, { name: namespace }, {}, limit());
    // An agent that ran at the same cluster may have put its finalizer on an app, and be gone.
    for (const { metadata } of (await kube.client.list(remoteApps, { namespace }, limit())).items) {
      const ref = { namespace, name: metadata.name ?? "" };
      await kube.client.mergePatch(remoteApps, ref, { metadata: { finalizers: null } }, limit()).catch(() => undefined);
    }
    kube.close();
    await place.close();
  });

  /** As YAML would have it, so that wrong fields can be sent too. */
  function post(name: string, spec: JsonObject): Promise<unknown> {
    const body = { apiVersion: "fairlead.dev/v1alpha1", kind: "RemoteApp", metadata: { name, namespace }, spec };
    const path = `/apis/fairlead.dev/v1alpha1/namespaces/${namespace}/remoteapps`;
    return kube.requests.json({ method: "POST", path, query: { fieldValidation: "Strict" }, body }, limit());
  }

  function createApp(name: string): Promise<RemoteApp> {
    const spec = create(RemoteAppSpecSchema, { peer: "b", image: "nginx", ports: [{ containerPort: 80 }] });
    return kube.client.create(remoteApps, { metadata: { name, namespace }, spec }, limit());
  }

  test("what is left out gets its default, and `replicas: 0` stays 0", async () => {
    const app = await createApp("defaults");
    assert.equal(app.spec.replicas, 1);
    assert.equal(app.spec.progressDeadlineSeconds, 600);
    assert.equal(app.spec.ports[0]?.appProtocol, "http");
    assert.equal(app.problems, undefined);
    await post("none", { peer: "b", image: "x", replicas: 0 });
    const none = await kube.client.get(remoteApps, { namespace, name: "none" }, limit());
    assert.equal(none?.spec.replicas, 0);
  });

  test("an unknown field and wrong values are refused with their paths", async () => {
    await assert.rejects(post("bad", { peer: "b", image: "x", hostNetwork: true }), /spec\.hostNetwork/);
    const wrong = {
      image: "x",
      replicas: -1,
      ports: [{ containerPort: 99_999, appProtocol: "gopher" }],
      resources: { limits: { memory: "64Mibi" } },
    };
    const error: unknown = await post("bad", wrong).catch((reason: unknown) => reason);
    assert.ok(error instanceof KubeError);
    assert.equal(error.reason, "Invalid");
    const paths = error.fields.map(({ field }) => field);
    for (const path of [
      "spec.replicas",
      "spec.ports[0].containerPort",
      "spec.ports[0].appProtocol",
      "spec.resources.limits.memory",
    ]) {
      assert.ok(paths.includes(path), `${path} in ${paths.join(", ")}`);
    }
    await assert.rejects(post("bad", { image: "x" }), /name the peer that runs the app/);
    const twice = [{ containerPort: 80 }, { containerPort: 80, appProtocol: "http" }];
    await assert.rejects(post("bad", { peer: "b", image: "x", ports: twice }), /spec\.ports\[1\]/);
  });

  test("an update of an older version, and a second create, are conflicts of different kinds", async () => {
    const metadata = { name: "race", namespace };
    const first = await kube.client.create(configMaps, { metadata, data: { a: "1" } }, limit());
    await kube.client.update(configMaps, { ...first, data: { a: "2" } }, limit());
    await assert.rejects(kube.client.update(configMaps, { ...first, data: { a: "3" } }, limit()), isConflict);
    await assert.rejects(kube.client.create(configMaps, { metadata }, limit()), isAlreadyExists);
    const now = await kube.client.get(configMaps, { namespace, name: "race" }, limit());
    assert.deepEqual(now?.data, { a: "2" });
  });

  test("apply owns what it states: what it no longer states goes, what others own stays or conflicts", async () => {
    const metadata = { name: "applied", namespace };
    const apply = (data: Record<string, string>, fieldManager: string, force = false) =>
      kube.client.apply(configMaps, { metadata, data }, { fieldManager, force }, limit());
    await apply({ a: "1", b: "1" }, "fairlead");
    await apply({ c: "1" }, "somebody");
    assert.deepEqual((await apply({ a: "2" }, "fairlead")).data, { a: "2", c: "1" });
    await assert.rejects(apply({ a: "2", c: "2" }, "fairlead"), isConflict);
    assert.deepEqual((await apply({ a: "2", c: "2" }, "fairlead", true)).data, { a: "2", c: "2" });
  });

  test("a status is written apart from the spec, by the writer, to the very object", async (t) => {
    // A Peer, because an agent that runs at the same cluster looks only at those of its own namespace.
    const spec = create(PeerSpecSchema, { fingerprint: "0".repeat(64), caCertificate: "PEM" });
    const createPeer = () => kube.client.create(peers, { metadata: { name: "status", namespace }, spec }, limit());
    const read = () => kube.client.get(peers, { namespace, name: "status" }, limit());
    const has = (version: string) => async () => {
      const now = await read();
      return now?.status?.version === version ? now : undefined;
    };
    const writer = createStatusWriter({ client: kube.client, kind: peers, clock: systemClock, log: silentLog });
    t.after(() => writer.close());
    const peer = await createPeer();
    const { metadata } = peer;
    writer.write({
      metadata,
      status: create(PeerStatusSchema, { version: "1", words: "amber", facts: { arch: "arm64" } }),
    });
    await until("the status", has("1"));
    writer.write({ metadata, status: create(PeerStatusSchema, { version: "2" }) });
    const changed = await until("the next", has("2"));
    assert.deepEqual(peers.format(changed).status, { version: "2" });
    assert.deepEqual(peers.format(changed).spec, peers.format(peer).spec);
    assert.equal(changed.metadata.generation, metadata.generation);

    // Written for an object that is gone, it is soon followed by what is so of the new one.
    await kube.client.delete(peers, { namespace, name: "status" }, {}, limit());
    await until("it to be gone", async () => ((await read()) ? undefined : true));
    const late = { metadata: { name: "status", namespace }, status: create(PeerStatusSchema, { version: "3" }) };
    await assert.rejects(kube.client.applyStatus(peers, late, { force: true }, limit()), isNotFound);
    const next = await createPeer();
    writer.write({ metadata, status: create(PeerStatusSchema, { version: "4" }) });
    await until("the old one's to be let go", () => (writer.oldestPendingMs() === 0 ? true : undefined));
    writer.write({ metadata: next.metadata, status: create(PeerStatusSchema, { version: "5" }) });
    await until("the new one's", has("5"));
  });

  test("`kubectl scale` works by the scale subresource", async () => {
    await createApp("scaled");
    const path = `/apis/fairlead.dev/v1alpha1/namespaces/${namespace}/remoteapps/scaled/scale`;
    const body = { spec: { replicas: 3 } };
    const contentType = "application/merge-patch+json";
    const scale = await kube.requests.json({ method: "PATCH", path, body, contentType }, limit());
    assert.ok(isJsonObject(scale) && isJsonObject(scale.spec) && scale.spec.replicas === 3);
    assert.equal((await kube.client.get(remoteApps, { namespace, name: "scaled" }, limit()))?.spec.replicas, 3);
  });

  test("a delete that means another object is refused, a finalizer holds one back, and a second delete finds nothing", async () => {
    const metadata = { name: "held", namespace, finalizers: ["fairlead.dev/test"] };
    const held = await kube.client.create(configMaps, { metadata }, limit());
    const ref = { namespace, name: "held" };
    const stranger = { uid: "11111111-2222-3333-4444-555555555555" };
    await assert.rejects(kube.client.delete(configMaps, ref, stranger, limit()), isConflict);
    assert.equal(await kube.client.delete(configMaps, ref, { uid: held.metadata.uid }, limit()), true);
    const leaving = await kube.client.get(configMaps, ref, limit());
    assert.ok(leaving?.metadata.deletionTimestamp);
    await kube.client.mergePatch(configMaps, ref, { metadata: { finalizers: null } }, limit());
    await until("it to be gone", async () => ((await kube.client.get(configMaps, ref, limit())) ? undefined : true));
    assert.equal(await kube.client.delete(configMaps, ref, {}, limit()), false);
  });

  test("a reflector follows an object through its life, and closes its watch", async (t) => {
    const reflector = createReflector({
      client: kube.client,
      kind: remoteApps,
      namespace,
      labelSelector: "followed=yes",
      clock: systemClock,
      log: silentLog,
    });
    t.after(() => reflector.close());
    const seen: (number | string)[] = [];
    reflector.subscribe((_, object, before) => {
      const [now, then] = [object?.spec.replicas, before?.spec.replicas];
      if (now !== then) seen.push(now ?? "gone"); // An agent that runs there may write its status in between.
    });
    await reflector.synced(limit());
    const spec = create(RemoteAppSpecSchema, { peer: "b", image: "x" });
    const metadata = { name: "followed", namespace, labels: { followed: "yes" } };
    await kube.client.create(remoteApps, { metadata, spec }, limit());
    await createApp("not-followed");
    await kube.client.mergePatch(remoteApps, { namespace, name: "followed" }, { spec: { replicas: 2 } }, limit());
    await kube.client.delete(remoteApps, { namespace, name: "followed" }, {}, limit());
    await until("its end", () => (seen.includes("gone") ? true : undefined));
    assert.deepEqual(seen, [1, 2, "gone"]);
    assert.ok(reflector.silentMs() < 20_000);
  });

  test("a list comes in pages that join to the whole", async () => {
    for (let n = 0; n < 5; n += 1) {
      await kube.client.create(configMaps, { metadata: { name: `page-${n}`, namespace, labels: { p: "1" } } }, limit());
    }
    const names: (string | undefined)[] = [];
    let next: string | undefined;
    do {
      const page = await kube.client.list(
        configMaps,
        { namespace, labelSelector: "p=1", limit: 2, continue: next },
        limit(),
      );
      assert.ok(page.items.length <= 2);
      names.push(...page.items.map(({ metadata }) => metadata.name));
      next = page.continue;
    } while (next);
    assert.deepEqual(names, ["page-0", "page-1", "page-2", "page-3", "page-4"]);
  });

  test("a watch from a version that was never valid fails instead of staying silent", async () => {
    const watch = async (): Promise<void> => {
      const options = { namespace, resourceVersion: "1", timeoutSeconds: 5 };
      for await (const event of kube.client.watch(configMaps, options, limit())) if (event) break;
    };
    // A young API server still remembers its first version; then there is an event, and no failure.
    await watch().catch((error: unknown) => assert.ok(isExpired(error), String(error)));
  });

  test("a Service outside of the cluster is reached by a port of a ready pod, and what the pod printed is followed", async () => {
    const { image, port } = place.web;
    const metadata = { name: "web", namespace };
    const labels = { app: "web" };
    await kube.client.apply(
      deployments,
      {
        metadata,
        spec: {
          replicas: 1,
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: { containers: [{ name: "app", image, ports: [{ name: "http", containerPort: port }] }] },
          },
        },
      },
      {},
      limit(),
    );
    const spec = { selector: labels, ports: [{ name: "web", port: 80, targetPort: "http" }] };
    await kube.client.apply(services, { metadata, spec }, {}, limit());
    const pod = await until("a ready pod", async () => {
      const { items } = await kube.client.list(pods, { namespace, labelSelector: "app=web" }, limit());
      return items.find(isReady);
    });

    const answers = await Promise.all(
      [1, 2, 3].map(async () => fetchPage(await kube.dialService(metadata, 80, limit()))),
    );
    for (const answer of answers) assert.match(answer, /^HTTP\/1\.[01] 200.*<!doctype html/is);

    const ref = { namespace, name: pod.metadata.name ?? "" };
    const following = new AbortController();
    const reason = new Error("seen enough");
    await assert.rejects(
      async () => {
        let log = "";
        for await (const chunk of kube.pods.logs(ref, { follow: true }, AbortSignal.any([following.signal, limit()]))) {
          log += Buffer.from(chunk).toString();
          if (log.includes("\n")) following.abort(reason);
        }
      },
      (error) => error === reason,
    );

    // What the kubelet says may come together with the API server's acceptance, or later.
    const refused = async (): Promise<void> => {
      const deaf = await kube.pods.portForward(ref, 9, limit());
      const failed = once(deaf, "error");
      deaf.write("hello");
      throw (await failed)[0];
    };
    await assert.rejects(refused(), /forward port 9 of Pod/);
    await assert.rejects(kube.pods.portForward({ namespace, name: "nobody" }, 80, limit()), KubeError);
    await assert.rejects(collect(kube.pods.logs({ namespace, name: "nobody" }, {}, limit())), isNotFound);
    await assert.rejects(kube.dialService({ namespace, name: "nobody" }, 80, limit()), isNotFound);
  });

  test("an Event is on its object, and its series counts", async () => {
    const app = await createApp("eventful");
    const log = silentLog;
    const recorder = createEventRecorder({ client: kube.client, clock: systemClock, log, instance: "test" });
    recorder.record(app, { type: "Warning", reason: "Tested", note: "no such image", action: "Deploy" });
    const event = await until("the event", async () => {
      const { items } = await kube.client.list(events, { namespace }, limit());
      return items.find(({ reason, regarding }) => reason === "Tested" && regarding?.uid === app.metadata.uid);
    });
    assert.equal(event.note, "no such image");
    const series = { count: 2, lastObservedTime: "2026-01-01T00:00:00.000000Z" };
    const ref = { namespace, name: event.metadata.name ?? "" };
    const counted = await kube.client.mergePatch(events, ref, { series }, limit());
    assert.equal(counted.series?.count, 2);
    await recorder.close();
  });
}

/** The whole answer to a GET of "/", head and body. */
async function fetchPage(connection: Duplex): Promise<string> {
  connection.write("GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n");
  return text(connection);
}
