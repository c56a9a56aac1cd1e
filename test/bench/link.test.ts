import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { isPoured, poured } from "../../bench/load/conversation.ts";
import type { Summary } from "../../bench/load/report.ts";
import { summarize, table } from "../../bench/load/report.ts";

const script = new URL("../../bench/link.ts", import.meta.url).pathname;

test("one command measures each row of the link and what stands beside it, and says who is absent", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-bench-test-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const json = join(folder, "link.json");
  const measure = async (...words: string[]) => {
    const few = ["--seconds", "0.1", "--rounds", "1", "--json", json, ...words];
    // An empty PATH, so that no rival is there whatever this machine has.
    const env = { ...process.env, PATH: "" };
    const said = await promisify(execFile)(process.execPath, [script, ...few], { env, timeout: 300_000 });
    const { ways } = JSON.parse(readFileSync(json, "utf8")) as { ways: Summary[] };
    return { ...said, measured: new Map(ways.map((way) => [way.name, way])) };
  };
  const names = ["direct", "bare TLS in a WebSocket", "link"];
  const each = await measure("--only", "down,up,one,rate64,beside,opens");
  // Each of these begins anew, which takes agents half a minute.
  const once = await measure("--only", "stalled,keys,cut", "--ways", names.join(","));
  const all = [
    { measured: each.measured, figures: ["besideP50", "besideP99", "down", "oneP50", "opens", "rate64", "up"] },
    { measured: once.measured, figures: ["keyP50", "keyP99", "stalled"] },
  ];
  for (const { measured, figures } of all) {
    for (const name of names) {
      const way = measured.get(name);
      const medians = Object.entries(way?.medians ?? {});
      const rates = medians.filter(([figure]) => !figure.endsWith("Cpu"));
      assert.deepEqual(rates.map(([figure]) => figure).sort(), figures, name);
      // In so little time a busy machine may get nothing done.
      for (const [figure, value] of rates) assert.ok(value >= 0, `${name}: ${figure} ${value}`);
      assert.equal(way?.failed, undefined, name);
    }
  }
  for (const name of names) {
    // Nothing stands between load and target where it goes directly.
    const costs = Object.keys(each.measured.get(name)?.medians ?? {}).filter((figure) => figure.endsWith("Cpu"));
    assert.equal(costs.length, name === "direct" ? 0 : 4, name);
    assert.match(once.measured.get(name)?.cut ?? "", /^(survives, |breaks visibly$|ends as if complete$)/);
  }
  assert.notEqual(once.measured.get("link")?.cut, "ends as if complete");
  for (const name of ["link RPC", "door", "fairlead forward"]) {
    const way = each.measured.get(name);
    assert.deepEqual([way?.failed, typeof way?.medians.rate64], [undefined, "number"], name);
  }
  assert.equal(each.measured.get("chisel")?.note, "absent: no chisel on PATH");
  assert.match(each.stderr, /^ +\d+ s {2}round 1 of 1: up, link$/m, "where it stands is told without a terminal too");
  assert.match(each.stdout, /\| link +\| .*\(\d+\.\d\d\)/);
});

test("what each layer costs is measured by one command too", async () => {
  const layers = new URL("../../bench/layers.ts", import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [layers, "1"], { timeout: 100_000 });
  for (const name of ["TCP", "TLS in a WebSocket, up", "dialled stream, down", "RPC, messages of 64 KiB"]) {
    assert.match(stdout, new RegExp(`'${name}' +│ +[0-9.]+`));
  }
});

test("what threads of their own would give TLS is measured by one command too", async () => {
  const threads = new URL("../../bench/threads.ts", import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [threads, "2"], { timeout: 100_000 });
  for (const name of ["both ends in this thread", "each end in a thread of its own"]) {
    assert.match(stdout, new RegExp(`'${name}' +│ [0-9.]+ +│ [0-9.]+ +│ [0-9.]+`));
  }
});

test("what idle links and streams hold is measured by one command too", async () => {
  const links = new URL("../../bench/links.ts", import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [links, "8", "40"], { timeout: 100_000 });
  assert.match(stdout, /each of 8 links +│ '-?[0-9.]+ KiB'/);
  assert.match(stdout, /the same, once collected +│ '-?[0-9.]+ KiB'/);
  assert.match(stdout, /a call on each, p50 +│ '[0-9.]+ ms'/);
  assert.match(stdout, /each of 40 streams of one link +│ '-?[0-9.]+ KiB'/);
});

test("the median of the rounds counts, and the ratio is to the base of the same run", () => {
  const rows = [
    summarize({ name: "base", measured: [{ down: 1e9 / 8 }, { down: 9e9 / 8 }, { down: 2e9 / 8 }, { oneP50: 0.1 }] }),
    summarize({ name: "other", measured: [{ down: 1e9 / 8 }], cut: "dies" }),
    summarize({ name: "gone", measured: [], note: "absent" }),
  ];
  assert.equal(
    table(rows, "base"),
    [
      "|       | down, Gbit/s | c1 p50, µs | cut 20 × |",
      "|-------|--------------|------------|----------|",
      "| base  | 2            | 100        | –        |",
      "| other | 1 (0.50)     | –          | dies     |",
      "| gone  | absent       |            |          |",
    ].join("\n"),
  );
});

test("a byte that is missing, doubled or changed in what a target pours is seen", () => {
  const whole = Buffer.concat([poured(0, 1e9), poured(poured(0, 1e9).length, 100_000)]);
  assert.ok(isPoured(whole, 0));
  assert.ok(isPoured(whole.subarray(70_000), 70_000));
  assert.ok(!isPoured(whole.subarray(70_000), 69_999));
  assert.ok(!isPoured(Buffer.concat([whole.subarray(0, 500), whole.subarray(501)]), 0));
  assert.ok(!isPoured(Buffer.concat([whole.subarray(0, 500), whole.subarray(499)]), 0));
  whole[80_000] = (whole[80_000] ?? 0) ^ 1;
  assert.ok(!isPoured(whole, 0));
});
