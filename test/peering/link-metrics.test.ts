/** What Prometheus sees of links, on real sockets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { declareLinkMetrics } from "../../src/peering/link-metrics.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { Reason } from "../../src/wire/reason.ts";
import { until } from "../patience.ts";
import { acquaint, createCuttable, startAgent, startCall, startPair, type TestAgent } from "./agents.ts";

/** The series of an agent as they are read, by name and labels without the prefix. */
function seriesOf({ peering }: TestAgent): () => Promise<Map<string, number>> {
  const metrics = createMetrics();
  declareLinkMetrics(metrics, {
    peers: () => peering.roster.list().map(({ name }) => name),
    look: (peer) => peering.switchboard.look(peer),
  });
  return async () => {
    const lines = (await metrics.expose()).split("\n").filter((line) => line.startsWith("fairlead_link_"));
    return new Map(
      lines.map((line) => {
        const at = line.lastIndexOf(" ");
        return [line.slice("fairlead_link_".length, at), Number(line.slice(at + 1))] as const;
      }),
    );
  };
}

test("a link is seen with its state, its way, its round trip, its streams and its bytes", async (t) => {
  const { a, b } = await startPair(t);
  const read = seriesOf(a);
  const before = Date.now() / 1000;
  await startCall(a, b);
  await until("a ping was answered", () => a.peering.switchboard.status(b.name).roundTripMs !== undefined);
  const series = await read();
  const peer = `peer="${b.name}"`;
  assert.equal(series.get(`state{${peer},state="connected"}`), 1);
  assert.equal(series.get(`state{${peer},state="disconnected"}`), 0);
  const since = series.get(`state_since_timestamp_seconds{${peer}}`) ?? 0;
  assert.ok(Math.abs(since - before) < 60, `${since} is a time of now in seconds`);
  const path = a.peering.switchboard.status(b.name).path;
  assert.equal(series.get(`path{${peer},path="${path}"}`), 1);
  const roundTrip = series.get(`round_trip_seconds{${peer}}`) ?? -1;
  assert.ok(roundTrip > 0 && roundTrip < 20, `${roundTrip} s`);
  const streams = ["control", "interactive", "normal", "bulk"].map((name) =>
    series.get(`streams{${peer},class="${name}"}`),
  );
  assert.ok(streams.every((count) => count !== undefined));
  assert.ok(streams.reduce<number>((sum, count) => sum + (count ?? 0), 0) >= 1, "the call is one");
  assert.ok((series.get(`streams_opened_total{${peer},by="us"}`) ?? 0) >= 1);
  assert.ok((series.get(`received_bytes_total{${peer}}`) ?? 0) > 100);
  assert.ok((series.get(`sent_bytes_total{${peer}}`) ?? 0) > 100);
  assert.equal(series.get(`established_total{${peer}}`), 1);
});

test("what a link has counted is not forgotten with it, and how it ended is counted", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin" });
  await acquaint(a, b, { urlOfB: b.url });
  await Promise.all([a.connected("berlin"), b.connected("aachen")]);
  const read = seriesOf(a);
  const call = await startCall(a, b);
  const before = (await read()).get('sent_bytes_total{peer="berlin"}') ?? 0;
  b.accepted[0]?.close({ reason: Reason.BROKEN, message: "a test" });
  await call.ended;
  await until("it is connected anew", () => (a.peering.switchboard.look("berlin")?.totals.links ?? 0) >= 2);
  await until("its end is counted", () => (a.peering.switchboard.look("berlin")?.past.length ?? 0) >= 1);
  const series = await read();
  assert.ok((series.get('sent_bytes_total{peer="berlin"}') ?? 0) > before, "a counter only grows");
  assert.equal(series.get('ends_total{peer="berlin",reason="BROKEN"}'), 1);
  assert.ok((series.get('streams_lost_total{peer="berlin",reason="BROKEN"}') ?? 0) >= 1);
});

test("attempts to dial that fail are counted by why", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin" });
  await b.acceptor.close();
  await acquaint(a, b, { urlOfB: b.url });
  const read = seriesOf(a);
  await until("it has failed", () => (a.peering.switchboard.look("berlin")?.totals.dialFailures.size ?? 0) > 0);
  const series = await read();
  assert.ok((series.get('dial_failures_total{peer="berlin",reason="unreachable"}') ?? 0) >= 1);
  assert.equal(series.has('round_trip_seconds{peer="berlin"}'), false, "nobody knows it");
});

test("a peer that was removed leaves no series behind", async (t) => {
  const { a, b } = await startPair(t);
  const read = seriesOf(a);
  assert.ok([...(await read()).keys()].some((name) => name.includes(b.name)));
  a.disk.peers.delete(b.name);
  await until("it is forgotten", () => a.peering.roster.list().length === 0);
  assert.deepEqual([...(await read()).keys()], []);
});

test("a link that goes on at another carrier is counted as resumed, and not as ended", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin" });
  const way = await createCuttable(t, b.port);
  await acquaint(a, b, { urlOfB: way.url });
  await Promise.all([a.connected("berlin"), b.connected("aachen")]);
  const read = seriesOf(a);
  await startCall(a, b);
  way.open = false;
  way.cut();
  await until("it is lost", () => a.peering.switchboard.status("berlin").state !== "connected");
  assert.equal((await read()).get('interrupted{peer="berlin"}'), 1);
  way.open = true;
  a.peering.switchboard.reconnect("berlin");
  await until("it goes on", () => a.peering.switchboard.status("berlin").state === "connected");
  const series = await read();
  assert.equal(series.get('interrupted{peer="berlin"}'), 0);
  // Two dials may have been under way, of which the later one took over.
  const resumes = series.get('resumes_total{peer="berlin"}') ?? 0;
  assert.ok(resumes >= 1);
  assert.equal(series.get('carriers_total{peer="berlin"}'), resumes + 1);
  assert.equal(series.get('carrier_ends_total{peer="berlin",reason="CARRIER_LOST"}'), 1);
  assert.equal(series.get('established_total{peer="berlin"}'), 1);
  assert.equal(series.has('ends_total{peer="berlin",reason="CARRIER_LOST"}'), false);
});
