/**
 * What the audit promises of its store in a cluster, the same for the sandbox and for a real API server. Each run works in a
 * namespace of its own and removes it.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { formatRecord, sealEntry } from "../../src/audit/entry.ts";
import { createKubeAuditStore } from "../../src/audit/kube-audit-store.ts";
import { openAuditLog, type StoredAuditLog } from "../../src/audit/open-audit-log.ts";
import { type AuditStore, inOrder, ringPlaces, segmentEntries } from "../../src/audit/store.ts";
import { noPrevious } from "../../src/base/audit-line.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { connectKube, type KubeConnection } from "../../src/kube/connect.ts";
import { configMaps, namespaces } from "../../src/kube/resources.ts";

const patience = (): AbortSignal => AbortSignal.timeout(30_000);

/** Declares the tests. */
export function testKubeAuditStore(open: () => Promise<{ kubeconfig: string; close(): Promise<void> }>): void {
  const namespace = `fairlead-e2e-audit-${randomBytes(4).toString("hex")}`;
  let place: { close(): Promise<void> };
  let kube: KubeConnection;
  let store: AuditStore;

  before(async () => {
    const opened = await open();
    place = opened;
    kube = await connectKube({ kubeconfig: opened.kubeconfig, clock: systemClock });
    await kube.client.create(namespaces, { metadata: { name: namespace } }, patience());
    store = createKubeAuditStore({ client: kube.client, namespace });
  });

  after(async () => {
    await kube.client.delete(namespaces, { name: namespace }, {}, patience());
    await kube.close();
    await place.close();
  });

  const openLog = (instance: string): Promise<StoredAuditLog> => {
    const deps = { store, clock: systemClock, log: silentLog, instance, version: "1.2.3" };
    return openAuditLog(deps, patience());
  };

  test("an empty ring is read as empty, and the first segment is made once", async () => {
    assert.deepEqual(await store.read(patience()), []);
    const first = await store.write({ index: 0, lines: ["a"] }, undefined, patience());
    assert.ok(first);
    assert.equal(
      await store.write({ index: 0, lines: ["b"] }, undefined, patience()),
      undefined,
      "it is there already",
    );
    const [stored, ...more] = await store.read(patience());
    assert.equal(more.length, 0);
    assert.deepEqual(stored, { place: 0, version: first, segment: { index: 0, lines: ["a"] } });
  });

  test("One object, one writer, one version: what was not read is not replaced", async () => {
    const [stored] = await store.read(patience());
    const next = await store.write({ index: 0, lines: ["a", "b"] }, stored?.version, patience());
    assert.ok(next);
    assert.equal(await store.write({ index: 0, lines: ["a", "c"] }, stored?.version, patience()), undefined);
    assert.ok(await store.write({ index: ringPlaces, lines: ["z"] }, next, patience()), "the ring has come round");
    assert.deepEqual(inOrder(await store.read(patience())), [{ index: ringPlaces, lines: ["z"] }]);
    await kube.client.delete(configMaps, { namespace, name: "fairlead-audit-00" }, {}, patience());
    assert.equal(await store.write({ index: 0, lines: ["a"] }, next, patience()), undefined, "it is gone");
  });

  test("a segment of entries as long as they can be, which nothing can compress, fits into a ConfigMap", async () => {
    const text = (): string => randomBytes(2_048).toString("base64").replaceAll(/[+/=]/g, "é");
    const lines = Array.from({ length: segmentEntries }, () => {
      const actor = { peer: text(), fingerprint: text(), person: text() };
      const rest = { action: text(), target: text(), rule: text(), message: text(), correlation: text() };
      const at = { sequence: Number.MAX_SAFE_INTEGER, at: Date.now(), instance: "f".repeat(32), previous: noPrevious };
      return JSON.stringify(formatRecord(sealEntry({ ...rest, actor, verdict: "allowed" }, at)));
    });
    const version = await store.write({ index: 0, lines }, undefined, patience());
    assert.ok(version);
    assert.deepEqual((await store.read(patience()))[0]?.segment?.lines, lines);
    await kube.client.delete(configMaps, { namespace, name: "fairlead-audit-00" }, {}, patience());
  });

  test("an audit goes on from what is stored, and what somebody edits there is found", async () => {
    const first = await openLog("a".repeat(32));
    for (let i = 0; i < segmentEntries; i += 1) {
      first.record({ action: "app.admit", actor: { peer: "berlin" }, target: `shop/web-${i}`, verdict: "allowed" });
    }
    await first.close();
    assert.equal(first.oldestUnwrittenMs(), 0);
    const second = await openLog("b".repeat(32));
    assert.equal(second.list().at(-1)?.sequence, segmentEntries + 3);
    assert.deepEqual((await second.verify(patience())).problems, []);
    await second.close();

    const ref = { namespace, name: "fairlead-audit-00" };
    const object = (await kube.client.get(configMaps, ref, patience())) ?? assert.fail();
    const packed = Buffer.from(object.binaryData?.["entries.jsonl.gz"] ?? "", "base64");
    const edited = gunzipSync(packed).toString().replace("shop/web-7", "shop/web-8");
    const binaryData = { "entries.jsonl.gz": gzipSync(edited).toString("base64") };
    await kube.client.update(configMaps, { ...object, binaryData }, patience());
    const { problems } = await second.verify(patience());
    assert.deepEqual(
      problems.map(({ message }) => message),
      ["segment 0, line 9: entry 9 is not as it was written."],
    );
  });

  test("what is no segment is told, and does no harm to the others", async () => {
    const spoil = async (place: string, change: object): Promise<void> => {
      const object = await kube.client.get(configMaps, { namespace, name: `fairlead-audit-${place}` }, patience());
      const metadata = object?.metadata ?? { namespace, name: `fairlead-audit-${place}` };
      if (object) await kube.client.update(configMaps, { ...object, ...change }, patience());
      else await kube.client.create(configMaps, { metadata, ...change }, patience());
    };
    await spoil("00", { binaryData: { "entries.jsonl.gz": "bm8gZ3ppcA==" } });
    await spoil("05", { data: { segment: "4" } });
    await spoil("06", { data: { segment: "6" } });
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024)).toString("base64");
    await spoil("07", { data: { segment: "7" }, binaryData: { "entries.jsonl.gz": bomb } });
    const stored = await store.read(patience());
    const problems = stored.flatMap(({ problem }) => problem ?? []).map((problem) => problem.replace(namespace, "ns"));
    assert.equal(problems.length, 4);
    assert.match(problems[0] ?? "", /^ConfigMap ns\/fairlead-audit-00: incorrect header check/);
    assert.match(problems[1] ?? "", /^ConfigMap ns\/fairlead-audit-05: its key "segment" is no number of a segment/);
    assert.match(problems[2] ?? "", /^ConfigMap ns\/fairlead-audit-06: it has no "entries.jsonl.gz"/);
    assert.match(problems[3] ?? "", /^ConfigMap ns\/fairlead-audit-07: Cannot create a Buffer larger than/);
    assert.ok(inOrder(stored).length > 0);
  });
}
