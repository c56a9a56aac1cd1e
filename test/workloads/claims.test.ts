import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import {
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  statefulSets,
  type Workload,
} from "../../src/kube/resources.ts";
import { claimSteps } from "../../src/workloads/host/claims.ts";
import { claimName, lastingName } from "../../src/workloads/host/names.ts";
import type { Plan } from "../../src/workloads/host/plan.ts";
import { changeChecks } from "../../src/workloads/host/spec-change.ts";
import { isEditable, statefulSetFor } from "../../src/workloads/host/stateful-set.ts";
import { workload } from "./objects.ts";

const sized = (storage: string, more: JsonObject = {}): JsonObject => ({
  resources: { requests: { storage } },
  ...more,
});

function appWith(fields: JsonObject): Workload {
  return workload({ claims: [{ name: "data", spec: sized("2Gi") }], ...fields });
}

function planOf({ spec: { app } }: Workload): Plan {
  const asked = app ?? assert.fail("A workload has an app.");
  const rest = { isStopped: false, replicas: 2, podSecurity: "baseline", nodeSelector: {}, surge: true } as const;
  return { app: asked, ...rest };
}

/** As the agent made it for `of`, unless the metadata say something else. */
function claim(of: Workload, name: string, metadata: JsonObject = {}, storage = "2Gi"): PersistentVolumeClaim {
  const { name: called = "", uid = "" } = of.metadata;
  const labels = {
    "app.kubernetes.io/managed-by": "fairlead",
    "fairlead.dev/peer": "tokyo",
    "fairlead.dev/workload": called,
  };
  const ownerReferences = [{ apiVersion: "fairlead.dev/v1alpha1", kind: "Workload", name: called, uid }];
  return persistentVolumeClaims.parse({
    metadata: { name, uid: "c-1", resourceVersion: "7", labels, ownerReferences, ...metadata },
    spec: { accessModes: ["ReadWriteOnce"], ...sized(storage) },
  });
}

function steps(of: Workload, found: PersistentVolumeClaim[], there: string[] = []): unknown[] {
  const byName = new Map(found.map((one) => [one.metadata.name ?? "", one]));
  const facts = { found: byName, isThere: (name: string) => there.includes(name) };
  return claimSteps(of, planOf(of), facts).map((step) => (step.do === "patch" ? step.patch : step.do));
}

test("a claim that all pods share is made once, and left alone while it is as it should be", () => {
  const app = appWith({});
  assert.deepEqual(steps(app, []), ["create"]);
  assert.deepEqual(steps(app, [claim(app, claimName(app, "data"))]), []);
});

test("a claim grows with its app, and never shrinks", () => {
  const app = appWith({});
  const name = claimName(app, "data");
  const metadata = { uid: "c-1", resourceVersion: "7", labels: claim(app, name).metadata.labels };
  assert.deepEqual(steps(app, [claim(app, name, {}, "1Gi")]), [{ metadata, spec: sized("2Gi") }]);
  assert.deepEqual(steps(app, [claim(app, name, {}, "2048Mi")]), []);
  assert.deepEqual(steps(app, [claim(app, name, {}, "3Gi")]), []);
});

test("what is to be kept belongs to no Workload, and what is to go belongs to this one", () => {
  const app = appWith({});
  const name = claimName(app, "data");
  const mine = claim(app, name).metadata.ownerReferences;
  const [patch] = steps(app, [claim(app, name, { ownerReferences: [] })]);
  assert.match(JSON.stringify(patch), /"ownerReferences":\[\{[^}]*"uid":"w-1"\}\]/);
  const keeping = appWith({ claims: [{ name: "data", spec: sized("2Gi"), whenDeleted: "Retain" }] });
  const [release] = steps(keeping, [claim(keeping, name)]);
  assert.match(JSON.stringify(release), /"ownerReferences":\[\]/);
  const others = [{ apiVersion: "v1", kind: "Pod", name: "a", uid: "p-1" }];
  const both = JSON.parse(JSON.stringify([...others, ...(mine ?? [])]));
  const [kept] = steps(keeping, [claim(keeping, name, { ownerReferences: both })]);
  assert.match(JSON.stringify(kept), /"ownerReferences":\[\{[^}]*"uid":"p-1"\}\]/);
});

test("an app of the same name that comes later finds the data, but not while the earlier one is there", () => {
  const later = workload({ claims: [{ name: "data", spec: sized("2Gi") }] }, { name: "web-later", uid: "w-2" });
  const earlier = appWith({});
  assert.equal(claimName(later, "data"), claimName(earlier, "data"));
  const left = claim(earlier, claimName(earlier, "data"), { ownerReferences: [] });
  assert.deepEqual(steps(later, [left], ["web-0123456789"]), ["wait"]);
  assert.match(JSON.stringify(steps(later, [left])), /"fairlead.dev\/workload":"web-later"/);
  const going = claim(earlier, claimName(earlier, "data"), { deletionTimestamp: "2026-01-01T00:00:00Z" });
  assert.deepEqual(steps(later, [going]), ["wait"]);
});

test("the claims of a StatefulSet's pods are made by Kubernetes, and brought up to date", () => {
  const set = appWith({ kind: "StatefulSet" });
  assert.deepEqual(steps(set, []), []);
  const ofPod = (index: number): string => `data-${lastingName(set)}-${index}`;
  const stale = [
    claim(set, ofPod(0), {}, "1Gi"),
    claim(set, ofPod(11)),
    claim(set, "data-other-0123456789-0", {}, "1Gi"),
  ];
  assert.equal(steps(set, stale).length, 1);
});

test("what goes with the app does so from the moment on that Kubernetes makes it, and what is kept does not", () => {
  const [data, logs] = [
    { name: "data", spec: sized("2Gi") },
    { name: "logs", spec: sized("1Gi", { accessModes: ["ReadWriteMany"] }), whenDeleted: "Retain" },
  ];
  const set = appWith({ kind: "StatefulSet", claims: [data, logs] });
  const templates = statefulSetFor(set, planOf(set)).spec?.volumeClaimTemplates ?? [];
  assert.deepEqual(
    templates.map(({ metadata, spec }) => [metadata?.name, metadata?.ownerReferences?.[0]?.uid, spec?.accessModes]),
    [
      ["data", "w-1", ["ReadWriteOnce"]],
      ["logs", undefined, ["ReadWriteMany"]],
    ],
  );
});

test("a StatefulSet is made anew when what changed cannot be edited, and only then", () => {
  const asked = (fields: JsonObject) => planOf(appWith({ kind: "StatefulSet", ...fields }));
  const app = appWith({ kind: "StatefulSet" });
  const found = statefulSets.parse(JSON.parse(JSON.stringify(statefulSetFor(app, planOf(app)))));
  const grown = asked({ image: "web:2", minReadySeconds: 3, claims: [{ name: "data", spec: sized("3Gi") }] });
  assert.equal(isEditable(found, grown.app), true);
  const edited = statefulSetFor(app, grown, found);
  assert.deepEqual(edited.spec?.volumeClaimTemplates, found.spec?.volumeClaimTemplates, "what cannot be edited");
  assert.equal(edited.spec?.minReadySeconds, 3);
  assert.equal(isEditable(found, asked({ podManagementPolicy: "Parallel" }).app), false);
  assert.equal(isEditable(found, asked({ claims: [] }).app), false);
  const more = [
    { name: "data", spec: sized("2Gi") },
    { name: "logs", spec: sized("1Gi") },
  ];
  assert.equal(isEditable(found, asked({ claims: more }).app), false);
});

test("neither the kind of an app nor of its storage changes under it", () => {
  const changes = (before: JsonObject, after: JsonObject): string[] => {
    const [was, is] = [workload(before).spec.app, workload(after).spec.app];
    return was && is ? changeChecks(was, is).map(({ field, rule }) => `${field} ${rule}`) : assert.fail();
  };
  assert.deepEqual(changes({}, { kind: "StatefulSet" }), ["kind immutable"]);
  assert.deepEqual(changes({}, { kind: "Deployment" }), []);
  const data = (spec: JsonObject): JsonObject => ({ claims: [{ name: "data", spec }] });
  assert.deepEqual(changes(data(sized("1Gi")), data(sized("2Gi"))), []);
  assert.deepEqual(changes(data(sized("1Gi")), data(sized("1Gi", { accessModes: ["ReadWriteOnce"] }))), []);
  assert.deepEqual(changes(data(sized("1Gi")), {}), []);
  assert.deepEqual(changes(data(sized("2Gi")), data(sized("1Gi", { storageClassName: "fast" }))), [
    "claims[0].spec.storageClassName immutable",
    "claims[0].spec.resources.requests.storage immutable",
  ]);
});
