/** What is in a pod: its containers in their order, what they read of ConfigMaps and Secrets, and how they are asked how they are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, eventually, type Json, mergePatch } from "./api.ts";
import type { Context } from "./suite.ts";

const startMs = 60_000;

export function containerTests(t: Context): void {
  const shell = (name: string, script: string, more: object = {}): Json => ({
    name,
    image: t.setting.shell,
    command: ["sh", "-c", script],
    ...more,
  });
  const create = async (spec: object, metadata: object = {}): Promise<string> => {
    const name = t.name("c");
    const body = { metadata: { name, ...metadata }, spec: { terminationGracePeriodSeconds: 1, ...spec } };
    const { status, body: answer } = await t.api.ask("POST", t.path("pods"), { body });
    assert.equal(status, 201, JSON.stringify(answer));
    return t.path("pods", name);
  };
  const until = async (path: string, isRight: (pod: Json) => boolean): Promise<Json> =>
    (
      await eventually(
        () => t.api.ask("GET", path),
        ({ body }) => isRight(body),
        startMs,
      )
    ).body;
  const isOver = (pod: Json): boolean => ["Succeeded", "Failed"].includes(pod.status.phase);
  const log = async (path: string, container: string): Promise<string> => {
    const answer = await eventually(
      () => t.api.ask("GET", `${path}/log`, { query: { container } }),
      ({ status, body }: Answer) => status === 200 && body !== "",
      startMs,
    );
    return answer.body;
  };
  const condition = (pod: Json, type: string): Json => pod.status.conditions?.find((c: Json) => c.type === type);
  const store = async (plural: "configmaps" | "secrets", data: Record<string, string>): Promise<string> => {
    const name = t.name("s");
    const body = plural === "secrets" ? { stringData: data } : { data };
    assert.equal((await t.api.ask("POST", t.path(plural), { body: { metadata: { name }, ...body } })).status, 201);
    return name;
  };

  test("variables come from values, ConfigMaps, Secrets, the pod's fields and its resources", async () => {
    const settings = await store("configmaps", { color: "blue", size: "big" });
    const secret = await store("secrets", { password: "marvel" });
    const container = shell("main", "echo $GREETING $COLOR $P_password $APP $IP_KNOWN $MEMORY $MISSING. $0", {
      envFrom: [{ prefix: "P_", secretRef: { name: secret } }],
      env: [
        { name: "COLOR", valueFrom: { configMapKeyRef: { name: settings, key: "color" } } },
        { name: "APP", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
        { name: "GREETING", value: "hello-$(COLOR)" },
        { name: "MISSING", valueFrom: { configMapKeyRef: { name: settings, key: "none", optional: true } } },
        { name: "MEMORY", valueFrom: { resourceFieldRef: { resource: "limits.memory", divisor: "1Mi" } } },
      ],
      resources: { limits: { memory: "32Mi" } },
    });
    container.command[2] = container.command[2].replace(" $0", "");
    const path = await create({ restartPolicy: "Never", containers: [container] }, { labels: { app: "painter" } });
    await until(path, isOver);
    assert.equal(await log(path, "main"), "hello-blue blue marvel painter 32 .\n");
  });

  test("a pod whose ConfigMap is not there says so, and goes on when it is", async () => {
    const name = t.name("late");
    const env = [{ name: "WORD", valueFrom: { configMapKeyRef: { name, key: "word" } } }];
    const path = await create({ restartPolicy: "Never", containers: [shell("main", "echo $WORD", { env })] });
    const waiting = await until(
      path,
      ({ status }) => status.containerStatuses?.[0]?.state.waiting?.reason === "CreateContainerConfigError",
    );
    assert.equal(waiting.status.containerStatuses[0].state.waiting.message, `configmap "${name}" not found`);
    assert.equal(waiting.status.phase, "Pending");
    await t.api.ask("POST", t.path("configmaps"), { body: { metadata: { name }, data: { word: "there" } } });
    await until(path, isOver);
    assert.equal(await log(path, "main"), "there\n");
  });

  test("ConfigMaps, Secrets and the pod's own fields are files, whole or by key", async () => {
    const settings = await store("configmaps", { "app.conf": "port=1\n", other: "x\n" });
    const secret = await store("secrets", { key: "-----\n" });
    const mounts = [
      { name: "settings", mountPath: "/etc/app" },
      { name: "one", mountPath: "/etc/one/app.conf", subPath: "app.conf" },
      { name: "mixed", mountPath: "/etc/mixed" },
    ];
    const script =
      "cat /etc/app/app.conf /etc/app/other /etc/one/app.conf /etc/mixed/tls/key /etc/mixed/name; echo; touch /etc/app/mine 2>&1 || echo refused";
    const path = await create({
      restartPolicy: "Never",
      containers: [shell("main", script, { volumeMounts: mounts })],
      volumes: [
        { name: "settings", configMap: { name: settings } },
        { name: "one", configMap: { name: settings } },
        {
          name: "mixed",
          projected: {
            sources: [
              { secret: { name: secret, items: [{ key: "key", path: "tls/key" }] } },
              { downwardAPI: { items: [{ path: "name", fieldRef: { fieldPath: "metadata.name" } }] } },
            ],
          },
        },
      ],
    });
    const pod = await until(path, isOver);
    const said = await log(path, "main");
    // What goes to the two outputs comes in either order.
    assert.match(said, /^port=1\nx\nport=1\n-----\n/);
    for (const text of [`${pod.metadata.name}\n`, "Read-only file system", "refused"])
      assert.ok(said.includes(text), said);
  });

  test("a volume whose Secret is not there keeps the pod from starting, with an Event that says why", async () => {
    const path = await create({
      containers: [shell("main", "sleep 60", { volumeMounts: [{ name: "v", mountPath: "/v" }] })],
      volumes: [{ name: "v", secret: { secretName: "nowhere" } }],
    });
    const { metadata } = await until(path, (pod) => condition(pod, "PodScheduled")?.status === "True");
    const query = { fieldSelector: `involvedObject.name=${metadata.name},reason=FailedMount` };
    const { body } = await eventually(
      () => t.api.ask("GET", t.path("events"), { query }),
      (answer) => answer.body.items.length > 0,
      startMs,
    );
    assert.match(body.items[0].message, /MountVolume\.SetUp failed for volume "v" : secret "nowhere" not found/);
    const { body: pod } = await t.api.ask("GET", path);
    assert.equal(pod.status.containerStatuses[0].state.waiting.reason, "ContainerCreating");
    await t.api.ask("DELETE", path);
  });

  test("init containers run one after the other, before the others, and share volumes with them", async () => {
    const volumeMounts = [{ name: "work", mountPath: "/work" }];
    const path = await create({
      restartPolicy: "Never",
      initContainers: [
        shell("first", "echo 1 > /work/log", { volumeMounts }),
        shell("second", "echo 2 >> /work/log", { volumeMounts }),
      ],
      containers: [shell("main", "cat /work/log", { volumeMounts }), shell("other", "echo also")],
      volumes: [{ name: "work", emptyDir: {} }],
    });
    const { status } = await until(path, isOver);
    assert.equal(status.phase, "Succeeded");
    assert.equal(await log(path, "main"), "1\n2\n");
    assert.equal(await log(path, "other"), "also\n");
    assert.deepEqual(
      status.initContainerStatuses.map((each: Json) => [each.name, each.state.terminated.exitCode, each.ready]),
      [
        ["first", 0, true],
        ["second", 0, true],
      ],
    );
    const unnamed = await t.api.ask("GET", `${path}/log`);
    assert.equal(unnamed.status, 400);
    assert.match(unnamed.body.message, /choose one of: \[first second main other\]/);
  });

  test("an init container that fails keeps the others from starting", async () => {
    const path = await create({
      restartPolicy: "Never",
      initContainers: [shell("first", "exit 7")],
      containers: [shell("main", "echo never")],
    });
    const { status } = await until(path, isOver);
    assert.equal(status.phase, "Failed");
    assert.equal(status.initContainerStatuses[0].state.terminated.exitCode, 7);
    assert.equal(status.containerStatuses[0].state.waiting.reason, "PodInitializing");
    assert.equal(status.conditions.find((c: Json) => c.type === "Initialized").status, "False");
  });

  test("a sidecar runs beside the others and does not keep the pod from its end", async () => {
    const path = await create({
      restartPolicy: "Never",
      initContainers: [shell("beside", "sleep 600", { restartPolicy: "Always" })],
      containers: [shell("main", "echo done")],
    });
    const { status } = await until(path, isOver);
    assert.equal(status.phase, "Succeeded");
    assert.equal(status.initContainerStatuses[0].started, false);
  });

  test("a readiness probe by HTTP gates the pod", async () => {
    const ready = { httpGet: { path: "/status/200", port: 8080 }, periodSeconds: 1 };
    const path = await create({ containers: [{ ...t.setting.echo, readinessProbe: ready }] });
    await until(path, (pod) => condition(pod, "Ready")?.status === "True");
    const failing = { httpGet: { path: "/status/503", port: 8080 }, periodSeconds: 1, failureThreshold: 1 };
    const sick = await create({ containers: [{ ...t.setting.echo, readinessProbe: failing }] });
    const { metadata } = await until(sick, (pod) => pod.status.containerStatuses?.[0]?.started === true);
    const query = { fieldSelector: `involvedObject.name=${metadata.name},reason=Unhealthy` };
    const { body } = await eventually(
      () => t.api.ask("GET", t.path("events"), { query }),
      (answer) => answer.body.items.some(({ message }: Json) => /statuscode: 503/.test(message)),
      startMs,
    );
    assert.match(body.items.at(-1).message, /^Readiness probe failed: /);
    const { body: pod } = await t.api.ask("GET", sick);
    assert.deepEqual([condition(pod, "Ready").reason, pod.status.phase], ["ContainersNotReady", "Running"]);
    await Promise.all([path, sick].map((each) => t.api.ask("DELETE", each)));
  });

  test("a probe by TCP asks whether the port is open", async () => {
    const probe = (port: number): object => ({ tcpSocket: { port }, periodSeconds: 1, failureThreshold: 1 });
    const open = await create({ containers: [{ ...t.setting.echo, readinessProbe: probe(8080) }] });
    const closed = await create({ containers: [{ ...t.setting.echo, readinessProbe: probe(4) }] });
    await until(open, (pod) => condition(pod, "Ready")?.status === "True");
    const pod = await until(closed, ({ status }) => status.containerStatuses?.[0]?.started === true);
    assert.equal(condition(pod, "Ready").status, "False");
    await Promise.all([open, closed].map((each) => t.api.ask("DELETE", each)));
  });

  test("a probe by command makes a pod ready, and a failing one restarts it", async () => {
    const command = ["sh", "-c", "test ! -f /tmp/sick"];
    const path = await create({
      containers: [
        shell("main", "echo begun; sleep 2; touch /tmp/sick; sleep 600", {
          startupProbe: { exec: { command: ["true"] }, periodSeconds: 1 },
          readinessProbe: { exec: { command }, periodSeconds: 1 },
          livenessProbe: { exec: { command }, periodSeconds: 1, failureThreshold: 1 },
        }),
      ],
    });
    await until(path, (pod) => condition(pod, "Ready")?.status === "True");
    const again = await until(path, ({ status }) => (status.containerStatuses?.[0]?.restartCount ?? 0) >= 1);
    assert.ok(again.status.containerStatuses[0].lastState.terminated, "the run before has ended");
    await t.api.ask("DELETE", path);
  });

  test("a pod that asks for another node stays unscheduled and says why", async () => {
    const path = await create({ nodeSelector: { "example.test/none": "here" }, containers: [t.setting.echo] });
    const pod = await until(path, (now) => condition(now, "PodScheduled")?.status === "False");
    assert.match(
      condition(pod, "PodScheduled").message,
      /0\/1 nodes are available: 1 node\(s\) didn't match Pod's node affinity/,
    );
    await t.api.ask("DELETE", path);
  });

  test("a node says what it has and carries labels", async () => {
    const { body } = await t.api.ask("GET", "/api/v1/nodes");
    const [node] = body.items;
    assert.equal(node.metadata.labels["kubernetes.io/os"], "linux");
    assert.ok(node.metadata.labels["kubernetes.io/arch"]);
    for (const unit of ["cpu", "memory", "pods"]) assert.ok(node.status.allocatable[unit], unit);
    assert.equal(condition(node, "Ready").status, "True");
    assert.ok(node.status.nodeInfo.kubeletVersion);
  });

  test("a claim is bound when a pod uses it, keeps what it holds, and is kept while it is used", async () => {
    const name = t.name("claim");
    const claim = {
      metadata: { name },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Mi" } } },
    };
    assert.equal((await t.api.ask("POST", t.path("persistentvolumeclaims"), { body: claim })).status, 201);
    const read = (): Promise<Answer> => t.api.ask("GET", t.path("persistentvolumeclaims", name));
    assert.equal((await read()).body.status.phase, "Pending");
    const pod = (script: string): Promise<string> =>
      create({
        restartPolicy: "Never",
        containers: [shell("main", script, { volumeMounts: [{ name: "data", mountPath: "/data" }] })],
        volumes: [{ name: "data", persistentVolumeClaim: { claimName: name } }],
      });
    const writer = await pod("echo kept > /data/file");
    await until(writer, isOver);
    const { body: bound } = await eventually(read, ({ body }) => body.status.phase === "Bound", startMs);
    assert.ok(bound.spec.volumeName);
    assert.equal(bound.status.capacity.storage, "1Mi");
    const wrong = await t.api.ask("PATCH", t.path("persistentvolumeclaims", name), {
      type: mergePatch,
      body: { spec: { accessModes: ["ReadWriteMany"] } },
    });
    assert.equal(wrong.status, 422);
    await t.api.ask("DELETE", writer);
    const reader = await pod("cat /data/file; sleep 600");
    assert.equal(await log(reader, "main"), "kept\n");
    const { body: marked } = await t.api.ask("DELETE", t.path("persistentvolumeclaims", name));
    assert.deepEqual(marked.metadata.finalizers, ["kubernetes.io/pvc-protection"]);
    assert.equal((await read()).status, 200);
    await t.api.ask("DELETE", reader);
    await eventually(read, ({ status }) => status === 404, startMs);
  });
}
