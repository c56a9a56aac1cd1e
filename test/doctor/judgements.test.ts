/** What is made of what was seen. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { spanText, toFinding, type Verdict } from "../../src/doctor/finding.ts";
import { judgeBuffers, readMost } from "../../src/doctor/judge-buffers.ts";
import { judgeClock } from "../../src/doctor/judge-clock.ts";
import { type EndedConnection, judgeCutOffs } from "../../src/doctor/judge-cut-offs.ts";
import { judgeImages } from "../../src/doctor/judge-images.ts";
import { judgeLink } from "../../src/doctor/judge-link.ts";
import { judgeOwnUrl } from "../../src/doctor/judge-own-url.ts";
import { judgeRelay, type RelaySeen } from "../../src/doctor/judge-relay.ts";
import { judgeVersion } from "../../src/doctor/judge-version.ts";
import { judgeWay } from "../../src/doctor/judge-way.ts";
import { readKernelBuffers } from "../../src/doctor/kernel-buffers.ts";
import type { OuterTlsSeen } from "../../src/link/probe/observation.ts";

const dialled = { hasUrl: true, hasRelay: false };
const MiB = 1024 ** 2;
const dayMs = 86_400_000;

function is({ level, summary }: Verdict, wanted: Verdict["level"], words: RegExp): void {
  assert.equal(level, wanted, summary);
  assert.match(summary, words);
}

test("whoever is told of a warning or a problem is told what would help", () => {
  const all = [
    judgeClock({ whose: "the peer's", aheadMs: 7_200_000, uncertainMs: 10 }),
    judgeClock({ whose: "the peer's", aheadMs: 60_000, uncertainMs: 10 }),
    judgeBuffers({ receive: MiB, send: MiB }, undefined),
    judgeVersion("0.1.0", "0.2.0", "the peer"),
    judgeCutOffs([lost(60), lost(60), lost(61)]),
    judgeLink({ state: "disconnected", since: 0, epoch: 0, held: false }, dialled, 1),
  ];
  for (const verdict of all) {
    assert.notEqual(verdict.level, "ok", verdict.summary);
    assert.ok(verdict.remedy, verdict.summary);
  }
});

suite("clocks", () => {
  const of = (aheadMs: number, uncertainMs = 0): Verdict => judgeClock({ whose: "the peer's", aheadMs, uncertainMs });
  test("agree within half a minute, and within what nobody can know", () => {
    is(of(29_000), "ok", /agree/);
    is(of(-29_000), "ok", /agree/);
    is(of(35_000, 6_000), "ok", /agree/);
  });
  test("that are minutes apart are noted, and an hour apart break certificates", () => {
    is(of(600_000), "warning", /10 min ahead of ours/);
    is(of(-600_000), "warning", /10 min behind ours/);
    is(of(3_600_000), "problem", /60 min ahead.*certificates/);
  });
});

suite("versions", () => {
  test("that are the same, close, or far apart", () => {
    is(judgeVersion("0.1.0", "0.1.0", "the peer"), "ok", /same version/);
    is(judgeVersion("0.1.0", "0.1.3", "the peer"), "ok", /close/);
    is(judgeVersion("0.1.0", "0.2.0", "the peer"), "warning", /0\.2\.0/);
    is(judgeVersion("1.1.0", "1.9.0", "the peer"), "ok", /close/);
    is(judgeVersion("1.1.0", "2.0.0-rc.1", "the peer"), "warning", /2\.0\.0/);
    is(judgeVersion("0.1.0", undefined, "the peer"), "ok", /not said/);
  });
  test("say which of the two is to be upgraded", () => {
    assert.match(judgeVersion("0.1.0", "0.2.0", "the peer").remedy ?? "", /Upgrade this one/);
    assert.match(judgeVersion("0.3.0", "0.2.0", "the peer").remedy ?? "", /Upgrade the peer/);
  });
});

suite("the kernel's buffers", () => {
  test("as Linux has them reach hundreds of Mbit/s at 50 ms, and what is small is told with the setting", () => {
    is(judgeBuffers({ receive: 6 * MiB, send: 4 * MiB }, undefined), "ok", /336 Mbit\/s at 50 ms/);
    const small = judgeBuffers({ receive: 6 * MiB, send: 0.25 * MiB }, undefined);
    is(small, "warning", /21 Mbit\/s at 50 ms/);
    assert.match(small.remedy ?? "", /net\.ipv4\.tcp_rmem and net\.ipv4\.tcp_wmem to 16777216/);
  });
  test("are judged at the peer's own distance when that is farther", () => {
    is(judgeBuffers({ receive: 6 * MiB, send: 4 * MiB }, 5), "ok", /at 50 ms/);
    is(judgeBuffers({ receive: 64 * MiB, send: 4 * MiB }, 200), "warning", /84 Mbit\/s at 200 ms/);
  });
  test("are read from where Linux tells them, and not known elsewhere", async (t) => {
    assert.equal(readMost("4096\t131072\t6291456\n"), 6_291_456);
    assert.equal(readMost("nonsense"), undefined);
    const directory = await mkdtemp(join(tmpdir(), "fairlead-test-"));
    t.after(() => rm(directory, { recursive: true }));
    await writeFile(join(directory, "tcp_rmem"), "4096 131072 6291456");
    assert.equal(await readKernelBuffers(directory), undefined);
    await writeFile(join(directory, "tcp_wmem"), "4096 16384 4194304");
    assert.deepEqual(await readKernelBuffers(directory), { receive: 6_291_456, send: 4_194_304 });
    is(judgeBuffers(undefined, 10), "ok", /does not tell/);
  });
});

function lost(seconds: number, silentSeconds?: number, reason = "CARRIER_LOST"): EndedConnection {
  return {
    ageMs: seconds * 1000,
    by: reason === "CARRIER_LOST" ? "network" : "us",
    reason,
    ...(silentSeconds !== undefined && { silentMs: silentSeconds * 1000 }),
  };
}

suite("connections that ended", () => {
  test("as they were meant to are no trouble", () => {
    is(judgeCutOffs([]), "ok", /no connection/);
    is(judgeCutOffs([{ ageMs: 1, reason: "SHUTDOWN", by: "them" }]), "ok", /no connection to it was lost/);
  });
  test("once or twice tell nothing", () => {
    is(judgeCutOffs([lost(60), lost(60)]), "ok", /2 connections were lost, too few/);
  });
  test("after the same silence were cut by an idle limit", () => {
    const verdict = judgeCutOffs([lost(300, 10), lost(4_000, 10.4), lost(77, 9.8)]);
    is(verdict, "problem", /after ~10 s of silence/);
    assert.match(verdict.evidence?.join() ?? "", /10 s, 10 s, 10 s/);
  });
  test("at the same age were cut by a limit of age, however much was said", () => {
    is(judgeCutOffs([lost(60, 1), lost(61, 0.1), lost(60, 3), lost(59)]), "warning", /after ~60 s, however busy/);
    is(judgeCutOffs([lost(3_600), lost(3_650), lost(3_500)]), "warning", /after ~60 min/);
  });
  test("of which one in four is other chance are still recognised", () => {
    is(judgeCutOffs([lost(60), lost(61), lost(60), lost(1_234)]), "warning", /after ~60 s/);
    is(judgeCutOffs([lost(60), lost(61), lost(60), lost(1_234), lost(5)]), "warning", /nothing in common/);
  });
  test("that only fell silent were forgotten by something", () => {
    is(
      judgeCutOffs([lost(700, 45, "SILENT"), lost(95, 45, "SILENT"), lost(3_000, 45, "SILENT")]),
      "warning",
      /fell silent/,
    );
  });
  test("within moments of their begin are no limit of age", () => {
    is(judgeCutOffs([lost(0.1), lost(0.1), lost(0.2)]), "warning", /nothing in common/);
  });
});

suite("a link", () => {
  const status = { since: 0, epoch: 1, held: false };
  test("that stands, that is made, that is away", () => {
    is(
      judgeLink({ ...status, state: "connected", path: "dialled", roundTripMs: 3.21 }, dialled, 90_000),
      "ok",
      /connected for 90 s/,
    );
    is(judgeLink({ ...status, state: "connecting" }, dialled, 5_000), "warning", /connecting/);
    const away = judgeLink({ ...status, state: "disconnected", lastError: "no way" }, dialled, 600_000);
    is(away, "problem", /not connected for 10 min/);
    assert.deepEqual(away.evidence, ["last error: no way"]);
  });
  test("that waits to be dialled is looked at from the other end", () => {
    const { remedy } = judgeLink({ ...status, state: "disconnected" }, { hasUrl: false, hasRelay: false }, 1);
    assert.match(remedy ?? "", /at the other end/);
  });
});

suite("a relay", () => {
  const of = (status: RelaySeen["status"]): Verdict => judgeRelay("east", { name: "hub", status });
  test("that could carry, is away, is relayed itself, or is no peer", () => {
    is(of({ state: "connected" }), "ok", /hub, which may carry the link, is connected/);
    const away = of({ state: "disconnected", lastError: "no way" });
    is(away, "warning", /not connected/);
    assert.deepEqual([away.evidence, away.remedy], [["last error: no way"], "Look at it: fairlead doctor hub"]);
    is(of({ state: "connected", through: "far" }), "warning", /reached through far itself/);
    is(of(undefined), "warning", /no peer here/);
  });
});

suite("the outer certificate", () => {
  const now = Date.parse("2026-06-01T00:00:00Z");
  const seen: OuterTlsSeen = {
    step: "outer-tls",
    host: "west.example",
    insecure: false,
    ownRoot: false,
    issuer: "R11, Let's Encrypt",
    names: "DNS:west.example",
    validFrom: now - 30 * dayMs,
    validTo: now + 60 * dayMs,
  };
  const judge = (differences: Partial<OuterTlsSeen>): Verdict => {
    const [verdict] = judgeWay({ ...seen, ...differences }, now);
    assert.ok(verdict);
    return verdict;
  };
  test("is well when it is trusted, under the roots that count", () => {
    is(judge({}), "ok", /under the public roots/);
    is(judge({ ownRoot: true }), "ok", /under link\.caFile/);
  });
  test("that ends soon is told of, by the measure of its own life", () => {
    is(judge({ validTo: now + 3 * dayMs }), "warning", /ends in 3 days/);
    is(judge({ validFrom: now - 3_600_000, validTo: now + 23 * 3_600_000 }), "ok", /trusted/);
  });
  test("that is not trusted is told with its issuer, and what to set", () => {
    is(judge({ untrusted: "CERT_HAS_EXPIRED" }), "problem", /CERT_HAS_EXPIRED.*Let's Encrypt/);
    assert.match(judge({ untrusted: "CERT_HAS_EXPIRED" }).remedy ?? "", /Renew/);
    assert.match(judge({ untrusted: "SELF_SIGNED_CERT_IN_CHAIN" }).remedy ?? "", /link\.caFile/);
    is(judge({ untrusted: "SELF_SIGNED_CERT_IN_CHAIN", insecure: true }), "warning", /taken as link\.insecure says/);
  });
  test("of a known interceptor is told of even when it is trusted", () => {
    for (const issuer of ["Zscaler Root CA, Zscaler Inc.", "FG100, Fortinet", "mitmproxy"])
      is(judge({ issuer }), "warning", /intercepted/);
    is(judge({ issuer: "mitmproxy", untrusted: "SELF_SIGNED_CERT_IN_CHAIN" }), "problem", /intercepted/);
  });
});

test("that an agent's own URL fails from inside is no problem yet; that it leads to another one is", () => {
  const found = (verdict: Verdict) => toFinding("agent", verdict);
  const failed: Verdict = { level: "problem", check: "reach", summary: "no answer" };
  is(judgeOwnUrl("wss://a/link?key=1", []), "ok", /leads back/);
  is(judgeOwnUrl("wss://a/link", [found(failed)]), "warning", /not lead back to it from here/);
  const other: Verdict = { level: "problem", check: "identity", summary: "another", evidence: ["fingerprint ab"] };
  is(judgeOwnUrl("wss://a/link", [found(other)]), "problem", /another agent/);
  assert.doesNotMatch(judgeOwnUrl("wss://a/link?key=1", []).evidence?.join() ?? "", /key/);
});

test("spans are told in the unit that fits", () => {
  assert.deepEqual([0, 340, -12_000, 119_000, 600_000, 7_200_000, 3 * dayMs].map(spanText), [
    "0 ms",
    "340 ms",
    "12 s",
    "119 s",
    "10 min",
    "2 h",
    "3 days",
  ]);
});

test("how nodes pull what peers bring along: which way, and whether any node has come by it", () => {
  const way = {
    registry: "localhost:30500",
    way: "NodePort",
    served: 0,
    failed: 0,
    strange: 0,
    lastAt: undefined,
    lastFailure: undefined,
    waiting: [],
  } as const;
  const waiting = ["fairlead-peer-tokyo/web-1"];
  assert.match(judgeImages(undefined, 0).summary, /images\.registry/);
  assert.deepEqual(
    [judgeImages(way, 0).level, judgeImages({ ...way, served: 3, lastAt: 0 }, 60_000).level],
    ["ok", "ok"],
  );
  assert.match(judgeImages({ ...way, served: 3, lastAt: 0 }, 60_000).summary, /NodePort; the last 60 s ago/);
  const deaf = judgeImages({ ...way, waiting }, 0);
  assert.equal(deaf.level, "problem");
  assert.match(deaf.remedy ?? "", /images\.relay\.enabled/);
  assert.match(judgeImages({ ...way, way: "HostPort", waiting }, 0).remedy ?? "", /DaemonSet/);
  const failing = judgeImages({ ...way, served: 1, failed: 2, lastAt: 0, lastFailure: "no link", waiting }, 0);
  assert.equal(failing.level, "warning");
  assert.ok(failing.evidence?.includes("failed last: no link"));
  // A pull that is under way is no trouble.
  assert.equal(judgeImages({ ...way, served: 1, lastAt: 0, waiting }, 0).level, "ok");
});
