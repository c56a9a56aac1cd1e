/** Agents that accept and dial real links, for tests. */

import assert from "node:assert/strict";
import { buffer } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { TargetSchema } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import { type Acceptor, type AcceptorDeps, createAcceptor } from "../../src/link/acceptor.ts";
import { type DialDeps, type DialTarget, dialLink } from "../../src/link/dialer.ts";
import { LinkError, type LinkErrorCode } from "../../src/link/error.ts";
import type { Link } from "../../src/link/link.ts";
import { Reason } from "../../src/wire/reason.ts";
import type { IncomingStream } from "../../src/wire/session.ts";
import { patience } from "../patience.ts";
import type { TestAgent } from "./agents.ts";

export interface Harbour {
  readonly acceptor: Acceptor;
  readonly port: number;
  /** All that were handed over, in order. */
  readonly links: Link[];
  /** The next link that is handed over. */
  next(): Promise<Link>;
}

/** An acceptor on a free port of loopback that echoes on each dialled stream. */
export async function openHarbour(
  t: TestContext,
  agent: TestAgent,
  more: Partial<AcceptorDeps> = {},
): Promise<Harbour> {
  const links: Link[] = [];
  const waiting: ((link: Link) => void)[] = [];
  const acceptor = createAcceptor({
    identity: agent.identity,
    hello: agent.hello,
    clock: systemClock,
    log: silentLog,
    onLink(link) {
      links.push(link);
      waiting.shift()?.(link);
    },
    accept: (_link, stream) => echo(stream),
    ...more,
  });
  const { port } = await acceptor.listen(0, "127.0.0.1");
  t.after(async () => {
    await acceptor.close();
    for (const link of links) link.close({ reason: Reason.SHUTDOWN, message: "the test is over" });
  });
  return { acceptor, port, links, next: () => new Promise((resolve) => waiting.push(resolve)) };
}

/** Dials as `agent`, and closes the link when the test ends. */
export async function dialFrom(
  t: TestContext,
  agent: TestAgent,
  to: DialTarget,
  more: Partial<DialDeps> = {},
  signal = patience(),
): Promise<Link> {
  const link = await dialLink(
    {
      identity: agent.identity,
      hello: agent.hello,
      clock: systemClock,
      accept: (_link, stream) => echo(stream),
      ...more,
    },
    to,
    signal,
  );
  t.after(() => link.close({ reason: Reason.SHUTDOWN, message: "the test is over" }));
  return link;
}

function echo(stream: IncomingStream): void {
  if (stream.kind !== "dial") return;
  const duplex = stream.accept();
  duplex.on("error", () => {});
  duplex.pipe(duplex);
}

/** Proves that a link carries bytes there and back. */
export async function provesItself(link: Link, bytes = 100_000): Promise<void> {
  const target = create(TargetSchema, { kind: { case: "service", value: { namespace: "test", name: "echo" } } });
  const stream = await link.session.dial(target, { signal: patience() });
  stream.end(Buffer.alloc(bytes, 7));
  assert.equal((await buffer(stream)).length, bytes);
}

export async function refusedWith(dialling: Promise<unknown>, code: LinkErrorCode, message = /./): Promise<void> {
  await assert.rejects(dialling, (error: unknown) => {
    assert.ok(error instanceof LinkError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}
