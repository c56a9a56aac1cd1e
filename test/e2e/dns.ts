/** Asking the name server of another cluster by dig, which nobody here wrote. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { Cluster } from "./clusters.ts";
import { mustRun } from "./command.ts";
import type { CutProxy } from "./cut-proxy.ts";
import type { RunningForward } from "./forwards.ts";
import { until } from "./until.ts";

/** Of the Service `echo` of this namespace there, by a forward of its name server's UDP and then of its TCP, over a link that goes this way. */
export async function namesAreResolved(
  there: Cluster,
  namespace: string,
  { ports: [udp = 0, tcp = 0], told }: RunningForward,
  way: CutProxy,
): Promise<void> {
  const echo = await there.get<{ spec: { clusterIP: string } }>(["service", "echo", "-n", namespace]);
  const [name, answer] = [`echo.${namespace}.svc.cluster.local`, `NOERROR ${echo.spec.clusterIP}`];
  assert.equal(await dig(udp, name), answer);
  assert.equal(await dig(tcp, name, "+tcp"), answer);
  assert.equal(await dig(udp, `nobody.${namespace}.svc.cluster.local`), "NXDOMAIN");
  const many = await Promise.all(Array.from({ length: 25 }, () => dig(udp, name)));
  assert.deepEqual([...new Set(many)], [answer]);
  // From one port of this machine, so that it is one flow before and behind the cut.
  const from = ["-b", `127.0.0.1#${await freeUdpPort()}`];
  assert.equal(await dig(udp, name, ...from), answer);
  const isAnswered = async (): Promise<boolean> => (await dig(udp, name, ...from)) === answer;
  assert.ok(way.cut() > 0, "the link goes this way");
  await until("the flow goes on behind the cut", isAnswered, { seen: told });
  way.shut();
  await assert.rejects(dig(udp, name, ...from, "+tries=1"), /no servers could be reached|timed out/);
  way.open();
  await until("the flow goes on when there is a way again", isAnswered, { seconds: 90, seen: told });
  assert.equal(await dig(tcp, name, "+tcp"), answer);
}

/** The status of the answer and the addresses in it, as in "NOERROR 10.0.0.1". Rejects when no answer comes to five tries of 3 s each: datagrams that wait are dropped. */
async function dig(port: number, name: string, ...more: readonly string[]): Promise<string> {
  const words = ["@127.0.0.1", "-p", String(port), name, "A", "+tries=5", "+time=3", "+search", "+nocookie", ...more];
  const text = await mustRun("dig", words);
  const [, status = ""] = /status: (\w+)/.exec(text) ?? [];
  const addresses = [...text.matchAll(/^\S+\.\s+\d+\s+IN\s+A\s+(\S+)$/gm)].map(([, address]) => address);
  return [status, ...addresses].join(" ");
}

/** A port of loopback that no socket of UDP has at this moment. */
async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}
