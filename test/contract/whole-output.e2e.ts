/** A slow reader of a program's output gets all of it, though a real cluster throws away what it was too slow for. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { systemClock } from "../../src/base/clock.ts";
import { readTar } from "../../src/base/tar.ts";
import { connectKube, type KubeConnection } from "../../src/kube/connect.ts";
import { namespaces, pods } from "../../src/kube/resources.ts";
import { packCommand } from "../../src/pods/tar-command.ts";
import { wholeOutput } from "../../src/pods/whole-output.ts";

const kubeconfig = process.env.KUBECONFIG_A;
if (!kubeconfig) throw new Error("KUBECONFIG_A must name the kubeconfig of a cluster to test against");
const never = new AbortController().signal;
const namespace = `contract-${randomBytes(4).toString("hex")}`;
const pod = { namespace, name: "files" };
const bytes = 20_000_000;

let kube: KubeConnection;

before(async () => {
  kube = await connectKube({ kubeconfig, clock: systemClock });
  await kube.client.create(namespaces, { metadata: { name: namespace } }, never);
  const image = "docker.io/library/busybox:1.36";
  const command = ["sh", "-c", `head -c ${bytes} /dev/urandom > /tmp/payload; sleep 3600`];
  const containers = [
    { name: "files", image, command, readinessProbe: { exec: { command: ["test", "-s", "/tmp/payload"] } } },
  ];
  const spec = { containers, terminationGracePeriodSeconds: 0, restartPolicy: "Never" };
  await kube.client.create(pods, { metadata: pod, spec }, never);
  const giveUp = Date.now() + 120_000;
  for (;;) {
    const found = await kube.client.get(pods, pod, never);
    if (found?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True")) return;
    assert.ok(Date.now() < giveUp, `the pod is not ready: ${JSON.stringify(found?.status)}`);
    await setTimeout(250);
  }
});
after(async () => {
  await kube.client.delete(namespaces, { name: namespace }, {}, never);
  kube.close();
});

async function sum(): Promise<string> {
  const options = { container: "files", command: ["sha256sum", "/tmp/payload"], input: false, tty: false };
  const program = await kube.pods.exec(pod, options, never);
  let said = "";
  for await (const event of program.events) if (event.kind === "output") said += Buffer.from(event.data).toString();
  return said.split(" ")[0] ?? "";
}

/** Reads a file as the agent does for a peer whose link stands still again and again. */
async function readSlowly(): Promise<string> {
  const mark = randomBytes(16).toString("hex");
  const options = { container: "files", command: packCommand("/tmp/payload", mark), input: true, tty: false };
  const program = await kube.pods.exec(pod, options, never);
  async function* archive(): AsyncGenerator<Uint8Array> {
    let come = 0;
    for await (const event of wholeOutput(program, mark)) {
      if (event.kind !== "output") continue;
      const before = Math.floor(come / 2_000_000);
      come += event.data.length;
      if (Math.floor(come / 2_000_000) > before) await setTimeout(500);
      yield event.data;
    }
  }
  const hash = createHash("sha256");
  for await (const entry of readTar(archive())) for await (const piece of entry.content) hash.update(piece);
  return hash.digest("hex");
}

test("a file comes whole to readers that stand still now and then", { timeout: 180_000 }, async () => {
  const wanted = await sum();
  assert.deepEqual(await Promise.all([1, 2, 3, 4, 5, 6].map(() => readSlowly())), Array(6).fill(wanted));
});
