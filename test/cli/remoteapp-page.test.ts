/** docs/remoteapp.md: every YAML on the page can be applied as it stands, and runs at the peer as the page says. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { parseDocuments } from "../../src/base/document.ts";
import { silentLog } from "../../src/base/log.ts";
import { buildTown, type Town } from "../../src/demo/town.ts";
import { isJsonObject } from "../../src/kube/object.ts";
import { type Api, applyPatch, connectApi, eventually, type Json } from "../contract/api.ts";
import { applyPolicies, run } from "./world.ts";

const page = readFileSync(new URL("../../docs/remoteapp.md", import.meta.url), "utf8");

/** The YAML below each heading. */
const examples = new Map(
  page.split(/^##+ /m).flatMap((part): [string, string][] => {
    const [heading = ""] = part.split("\n", 1);
    const yaml = [...part.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = ""]) => text).join("---\n");
    return yaml === "" ? [] : [[heading, yaml]];
  }),
);

/** A host that leaves to its peers what the page shows. */
const policy = `
apiVersion: fairlead.dev/v1alpha1
kind: PeerPolicy
metadata: { name: open }
spec:
  workloads:
    accept: true
    storage: { classes: [standard] }
    scheduling: { nodeLabels: [kubernetes.io/arch, kubernetes.io/hostname] }
`;

/** What the page promises of each example, by its heading: `made` is what runs the app at the host. */
const promises: Readonly<Record<string, (made: Json, app: Json) => void>> = {
  "The least"(made) {
    assert.equal(made.spec.replicas, 1);
  },
  "Replicas, ports and resources"(made, app) {
    assert.equal(app.status.readyReplicas, 3);
    const [container] = made.spec.template.spec.containers;
    assert.deepEqual(container.command, ["/bin/shop"]);
    assert.equal(container.env[1].valueFrom.fieldRef.fieldPath, "metadata.name");
    assert.equal(container.resources.limits.memory, "128Mi");
  },
  Probes(made) {
    const [container] = made.spec.template.spec.containers;
    assert.equal(container.startupProbe.failureThreshold, 30);
    assert.equal(container.readinessProbe.httpGet.path, "/ready");
    assert.deepEqual(container.livenessProbe.exec.command, ["true"]);
  },
  "Several containers"(made) {
    const { containers, initContainers, volumes } = made.spec.template.spec;
    assert.deepEqual(
      containers.map(({ name }: Json) => name),
      ["app", "proxy"],
    );
    assert.deepEqual(
      initContainers.map(({ name, restartPolicy }: Json) => [name, restartPolicy]),
      [
        ["prepare", undefined],
        ["log", "Always"],
      ],
    );
    assert.equal(volumes[0].emptyDir.sizeLimit, "100Mi");
  },
  "Configuration and secrets"(made) {
    const [container] = made.spec.template.spec.containers;
    const [password] = container.env;
    assert.match(password.valueFrom.secretKeyRef.name, /^configured-[0-9a-f]+-db-/);
    assert.equal(container.envFrom[0].prefix, "FEATURE_");
    assert.match(made.spec.template.spec.volumes[0].configMap.name, /-settings-/);
  },
  "Data that outlives its pods"(made, app) {
    assert.equal(made.kind, "StatefulSet");
    assert.equal(app.status.readyReplicas, 2);
    assert.equal(made.spec.volumeClaimTemplates[0].metadata.name, "data");
  },
  "Work that ends"(made, app) {
    assert.equal(made.spec.completions, 2);
    assert.equal(app.status.job.succeeded, 2);
  },
  "Work by the clock"(made) {
    assert.equal(made.spec.schedule, "30 2 * * *");
    assert.equal(made.spec.timeZone, "Europe/Lisbon");
    assert.equal(made.spec.concurrencyPolicy, "Forbid");
  },
  "How a new version takes over"(made) {
    assert.deepEqual(made.spec.strategy.rollingUpdate, { maxSurge: 1, maxUnavailable: 0 });
    assert.equal(made.spec.minReadySeconds, 1);
    assert.equal(made.spec.template.spec.terminationGracePeriodSeconds, 20);
  },
  "Where and as whom its pods run"(made) {
    const { metadata, spec } = made.spec.template;
    assert.equal(spec.securityContext.fsGroup, 2000);
    assert.equal(spec.nodeSelector["kubernetes.io/arch"], "amd64");
    assert.equal(metadata.labels.tier, "front");
    assert.equal(spec.topologySpreadConstraints[0].topologyKey, "kubernetes.io/hostname");
  },
  "Which peers run it"(_made, app) {
    assert.deepEqual(
      app.status.peers.map(({ peer, phase }: Json) => [peer, phase]),
      [["east", "Ready"]],
    );
  },
};

suite("docs/remoteapp.md", { timeout: 240_000 }, () => {
  let directory = "";
  let west: Town;
  let east: Town;
  let here: Api;
  let there: Api;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "fairlead-test-"));
    const common = { directory, firstPort: 0, version: "0.0.1", log: silentLog, processes: false };
    const build = (name: string): Promise<Town> => buildTown({ ...common, name }, AbortSignal.timeout(60_000));
    [west, east] = await Promise.all([build("west"), build("east")]);
    await applyPolicies(east, policy);
    const invite = await run(east, ["invite", "--grant", "apps"]);
    const joined = await run(west, ["join", "-"], { input: invite.out });
    assert.equal(joined.code, 0, joined.err);
    const labelled = await run(west, ["peer", "label", "east", "tier=edge", "region=eu"]);
    assert.equal(labelled.code, 0, labelled.err);
    [here, there] = await Promise.all(
      [west, east].map(async ({ kubeconfig }) => connectApi(await readFile(kubeconfig, "utf8"))),
    ).then(([first, second]) => {
      if (!first || !second) throw new Error("there are two");
      return [first, second] as const;
    });
  });
  after(async () => {
    here?.close();
    there?.close();
    await Promise.allSettled([west, east].map((town) => town?.close()));
    await rm(directory, { recursive: true, force: true });
  });

  test("each example has its promise", () => {
    assert.deepEqual([...examples.keys()], Object.keys(promises));
  });

  for (const [heading, yaml] of examples) {
    test(heading, async () => {
      let name = "";
      for (const { value } of parseDocuments(yaml)) {
        if (!isJsonObject(value)) throw new Error("an example is a map");
        name = await apply(value);
      }
      const path = `${fairlead}/remoteapps/${name}`;
      const { body: app } = await eventually(
        () => here.ask("GET", path),
        ({ body }) => ["Ready", "Denied"].includes(body.status?.phase) && isOf(body),
        120_000,
      );
      assert.equal(app.status.phase, "Ready", JSON.stringify(app.status));
      promises[heading]?.(await madeOf(name), app);
    });
  }

  /** Puts a document into the namespace `default` here, and answers its name. */
  async function apply(document: Json): Promise<string> {
    const { apiVersion, kind, metadata } = document;
    const plural = `${kind.toLowerCase()}s`;
    const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const answer = await here.ask("PATCH", `${root}/namespaces/default/${plural}/${metadata.name}`, {
      type: applyPatch,
      query: { fieldManager: "test", fieldValidation: "Strict" },
      body: document,
    });
    assert.ok(answer.status < 300, JSON.stringify(answer.body));
    return metadata.name;
  }

  /** What runs the app at the host: the one of its kinds that there is. */
  async function madeOf(name: string): Promise<Json> {
    for (const path of ["apps/v1/%/deployments", "apps/v1/%/statefulsets", "batch/v1/%/jobs", "batch/v1/%/cronjobs"]) {
      const { body } = await there.ask("GET", `/apis/${path.replace("%", "namespaces/fairlead-peer-west")}`);
      const found = body.items.find(({ metadata }: Json) =>
        new RegExp(`^${name}(-[0-9a-f]{6,})+$`).test(metadata.name),
      );
      if (found) return found;
    }
    throw new Error(`nothing at the host runs ${name}`);
  }
});

const fairlead = "/apis/fairlead.dev/v1alpha1/namespaces/default";

/** Whether the status is that of the present spec. */
function isOf({ metadata, status }: Json): boolean {
  return status.observedGeneration === metadata.generation;
}
