/**
 * Images through the link between two real clusters: from a registry that only the origin reaches, and that wants a password, by way of the agent
 * that the chart installed at the host, to its nodes' container runtime.
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Borrowing, type Listed, openBorrowing } from "./borrowing.ts";
import { type CutProxy, openCutProxy } from "./cut-proxy.ts";
import { type DockerRegistry, startDockerRegistry, user } from "./docker-registry.ts";
import { type InstalledAgent, releaseNamespace } from "./installed.ts";
import { until } from "./until.ts";

const nodePort = 31_803;
const door = `localhost:${nodePort}`;
const mib = 1024 * 1024;
/** For a node that pulls, in seconds; one that failed waits longer each time before it tries again. */
const patience = 180;

let t: Borrowing;
let lender: InstalledAgent;
let registry: DockerRegistry;
let proxy: CutProxy;
let directory: string;
/** Of a node of B. */
let node: string;
const values = {
  "images.enabled": "true",
  "images.nodePort": String(nodePort),
  "policies[0].spec.workloads.pullThrough": "true",
};

before(
  async () => {
    directory = await mkdtemp(join(tmpdir(), "fairlead-registry-"));
    registry = await startDockerRegistry(directory);
    t = await openBorrowing({
      // The host's rule is about the name that the origin says.
      values: { ...values, "policies[0].spec.workloads.images[0]": `${registry.host}/shop/*` },
      async through(linkUrl) {
        const { hostname, port } = new URL(linkUrl);
        proxy = await openCutProxy({ host: hostname, port: Number(port) });
        node = hostname;
        return `ws://127.0.0.1:${proxy.port}/link`;
      },
    });
    assert.ok(t.installed);
    lender = t.installed;
    const credentials = [`--docker-username=${user.username}`, `--docker-password=${user.password}`];
    const secret = ["secret", "docker-registry", "registry", `--docker-server=${registry.host}`, ...credentials];
    await t.a.kubectl(["create", "-n", t.agentNamespace, ...secret]);
    const registries = [{ registry: registry.host, secret: "registry", plainHttp: true }];
    const metadata = { name: "images", namespace: t.agentNamespace };
    const policy = {
      apiVersion: "fairlead.dev/v1alpha1",
      kind: "PeerPolicy",
      metadata,
      spec: { images: { registries } },
    };
    await t.a.kubectl(["create", "-f", "-"], JSON.stringify(policy));
  },
  { timeout: 400_000 },
);
after(
  async () => {
    await t?.close();
    proxy?.close();
    await registry?.[Symbol.asyncDispose]();
    if (directory) await rm(directory, { recursive: true, force: true });
  },
  { timeout: 120_000 },
);

interface Pod {
  metadata: { name: string };
  spec: { containers: { image: string }[] };
  status: { containerStatuses?: { imageID: string }[] };
}

/** Pushes an image with a layer of that size, of which no node has a byte. */
async function push(name: string, bytes: number): Promise<{ image: string; digest: string; layer: string }> {
  const { digest, layer } = await registry.push(`shop/${name}`, "1", randomBytes(bytes));
  return { image: `${registry.host}/shop/${name}:1`, digest, layer };
}

const bring = (name: string, image: string): Promise<void> =>
  t.apply(name, { image, imagePull: "ThroughOrigin", terminationGracePeriodSeconds: 0 });

async function podsOf(name: string): Promise<Pod[]> {
  const { items } = await t.b.get<Listed<Pod>>(["pods", "-n", t.hostNamespace]);
  return items.filter(({ metadata }) => metadata.name.startsWith(`${name}-`));
}

async function imagesFinding(): Promise<{ level: string; summary: string; evidence: string[] }> {
  const { stdout } = await lender.tryCli(["doctor", "-o", "json"]);
  const found = JSON.parse(stdout).items.find((one: { check: string }) => one.check === "images");
  assert.ok(found, stdout);
  return found;
}

test("a host that cannot reach a registry runs an app from there, by digest, and under the name that its origin says", {
  timeout: 400_000,
}, async () => {
  assert.match((await imagesFinding()).summary, /localhost:31803, through the NodePort; none has come yet/);
  const { image, digest } = await push("web", mib);
  await bring("web", image);
  const app = await t.ready("web", 1, patience);
  assert.deepEqual(app.status?.images, [{ image, digest }]);
  const [pod] = await podsOf("web");
  const [, borrower] = /^fairlead-peer-(.*)$/.exec(t.hostNamespace) ?? [];
  const onNode = `${door}/${borrower}/${registry.host.replace(":", "__")}/shop/web@${digest}`;
  assert.equal(pod?.spec.containers[0]?.image, onNode);
  assert.equal(pod?.status.containerStatuses?.[0]?.imageID, onNode);
  const { spec } = await t.hosted<{ spec: { app: { image: string } } }>("workloads", "web");
  assert.equal(spec.app.image, `${image}@${digest}`);
  const { level, summary } = await imagesFinding();
  assert.equal(level, "ok");
  assert.match(summary, /through the NodePort; the last .* ago/);
  // Without it, the node would have to go there itself.
  await t.apply("alone", { image, imagePull: "FromHost" });
  await t.shows(
    "alone",
    "that it is not pulled",
    ({ message, reason }) => /ImagePull/.test(`${reason} ${message}`),
    patience,
  );
  await t.here("delete", "remoteapp", "alone", "web");
});

test("who reaches the port of a node gets nothing without the pull secret, whatever else is shown", async () => {
  const path = `/v2/anybody/${registry.host.replace(":", "__")}/shop/web/manifests/sha256:${"0".repeat(64)}`;
  for (const shown of [undefined, `${user.username}:${user.password}`, `${t.borrower.name}:guess`]) {
    const authorization = shown && `Basic ${Buffer.from(shown).toString("base64")}`;
    for (const asked of ["/v2/", path]) {
      const headers = authorization ? { authorization } : undefined;
      const answer = await fetch(`http://${node}:${nodePort}${asked}`, headers && { headers });
      assert.equal(answer.status, 401, asked);
      assert.match(await answer.text(), /UNAUTHORIZED/);
    }
  }
});

test("a pull outlives its link, and the origin's agent, and no layer comes twice", { timeout: 400_000 }, async () => {
  const size = 48 * mib;
  const before = proxy.passed;
  const happened: string[] = [];
  let back: Promise<void> | undefined;
  proxy.after(8 * mib, () => {
    happened.push(`${proxy.cut()} links cut`);
    proxy.after(16 * mib, () => {
      happened.push("the agent died");
      // The link goes with it, and what was under way is asked for anew.
      back = t.borrower.kill().then(() => t.borrower.start());
      proxy.cut();
    });
  });
  await bring("large", (await push("large", size)).image);
  await t.ready("large", 1, patience);
  await back;
  assert.deepEqual(happened, ["1 links cut", "the agent died"]);
  const passed = proxy.passed - before;
  assert.ok(passed > size && passed < size + 12 * mib, `${passed} bytes passed for ${size}`);
});

test("an image whose bytes are not what its digest says does not run, which its status says, and runs when they are", {
  timeout: 400_000,
}, async () => {
  const { image, digest, layer } = await push("spoilt", 2 * mib);
  await registry.flip(layer);
  await bring("spoilt", image);
  const { status } = await t.shows(
    "spoilt",
    "which layer is wrong",
    ({ reason, message = "" }) => reason === "ImagePullBackOff" && message.includes(`expected ${layer}`),
    patience,
  );
  assert.ok(status?.message?.includes(`"${image}@${digest}"`), "the image is called what the app calls it");
  assert.ok(!JSON.stringify(status).includes(door));
  const { level, evidence } = await imagesFinding();
  assert.equal(level, "warning");
  assert.match(evidence.join("\n"), new RegExp(`failed last: What comes for ${layer} is not that`));
  await registry.flip(layer);
  await t.ready("spoilt", 1, patience);
});

test("what the origin shows the registry is nowhere at the host", { timeout: 400_000 }, async () => {
  const kinds = (await t.b.kubectl(["api-resources", "--verbs=list", "-o", "name"])).trim().split("\n").join(",");
  // Other tests may take a definition away in the middle of it.
  const everything = await until("all is read", () => t.b.get<Listed<unknown>>([kinds, "-A"]));
  const told = textsIn(everything);
  assert.ok(told.includes(`${t.borrower.name}:`), "it sees what is inside of pull secrets");
  for (const word of [user.password, Buffer.from(`${user.username}:${user.password}`).toString("base64")]) {
    assert.ok(!told.includes(word));
  }
  assert.ok(!(await t.b.kubectl(["-n", releaseNamespace, "logs", "deployment/fairlead"])).includes(user.password));
});

test("where NodePorts do not answer, a relay on each node does, for that node alone", {
  timeout: 400_000,
}, async () => {
  await lender.install({ ...values, "images.relay.enabled": "true" });
  await t.b.kubectl(["-n", releaseNamespace, "rollout", "status", "daemonset/fairlead-images", "--timeout=120s"]);
  await bring("relayed", (await push("relayed", mib)).image);
  await t.ready("relayed", 1, patience);
  const { level, summary } = await imagesFinding();
  assert.notEqual(level, "problem");
  assert.match(summary, /localhost:31803, through the relay on each node/);
  await assert.rejects(fetch(`http://${node}:${nodePort}/v2/`), "others reach it");
});

/** All texts in it, and what those say that are base64 of text, in turn. */
function textsIn(value: unknown): string {
  const found: string[] = [];
  const look = (one: unknown): void => {
    if (typeof one === "string") {
      found.push(one);
      const isEncoded = one.length >= 8 && /^[A-Za-z0-9+/]+=*$/.test(one);
      const text = isEncoded ? Buffer.from(one, "base64").toString() : "";
      if (text !== "" && !text.includes("\ufffd")) look(asJson(text));
    } else if (typeof one === "object" && one !== null) {
      for (const each of Object.values(one)) look(each);
    }
  };
  look(value);
  return found.join("\n");
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
