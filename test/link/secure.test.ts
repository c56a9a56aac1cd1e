import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { type Duplex, duplexPair, Transform } from "node:stream";
import { suite, type TestContext, test } from "node:test";
import { connect, createServer, type TLSSocket, type TLSSocketOptions, TLSSocket as TlsSocket } from "node:tls";
import type { Clock } from "../../src/base/clock.ts";
import { systemClock } from "../../src/base/clock.ts";
import { LinkError } from "../../src/link/error.ts";
import { judgeHandshake, judgePeer } from "../../src/link/peer-proof.ts";
import { createSecurer, linkProtocol, type SecureCarrier } from "../../src/link/secure.ts";
import { chainOf, type ForgedLeaf, hourMs, newAuthority, newLeaf, twinOf } from "../identity/forge-chain.ts";
import { patience, until } from "../patience.ts";
import { listen, newAgent, type TestAgent } from "./agents.ts";
import { webSocketPair } from "./websocket-pair.ts";

interface Shown {
  readonly cert: string;
  readonly key: string;
}

function securerOf(agent: TestAgent, clock: Clock = systemClock) {
  return createSecurer({ identity: agent.identity, now: () => clock.now() });
}

test("both ends learn who the other is, and bytes pass both ways", async (t) => {
  const [near, far] = [await newAgent(t), await newAgent(t)];
  const { dialled, accepted } = await webSocketPair(t);
  const [dialling, accepting] = await Promise.all([
    securerOf(near).dial(dialled, { fingerprint: far.identity.fingerprint }, patience()),
    securerOf(far).accept(accepted, patience()),
  ]);
  assert.equal(dialling.fingerprint, far.identity.fingerprint);
  assert.equal(accepting.fingerprint, near.identity.fingerprint);
  assert.equal(accepting.caPem, near.identity.caPem);
  for (const [from, to] of [
    [dialling.stream, accepting.stream],
    [accepting.stream, dialling.stream],
  ] as const) {
    let read = 0;
    to.on("data", (chunk: Buffer) => {
      read += chunk.length;
    });
    from.write(Buffer.alloc(1_000_000));
    await until("all has come", () => read === 1_000_000);
  }
  const ended = once(accepting.stream, "end", { signal: patience() });
  dialling.stream.end();
  await ended;
});

test("a clock one hour off still works, either way", async (t) => {
  for (const offMs of [-hourMs, hourMs]) {
    const off: Clock = { ...systemClock, now: () => systemClock.now() + offMs };
    const [near, far] = [await newAgent(t, off), await newAgent(t)];
    const [a, b] = duplexPair();
    await Promise.all([
      securerOf(near, off).dial(a, { fingerprint: far.identity.fingerprint }, patience()),
      securerOf(far).accept(b, patience()),
    ]);
  }
});

test("a link made before a leaf rotates lives on, and the next shows the new leaf", async (t) => {
  let offMs = 0;
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + offMs };
  const [near, far] = [await newAgent(t, clock), await newAgent(t, clock)];
  const securers = { near: securerOf(near, clock), far: securerOf(far, clock) };
  const connectBoth = async (): Promise<SecureCarrier[]> => {
    const [a, b] = duplexPair();
    return Promise.all([
      securers.near.dial(a, { fingerprint: far.identity.fingerprint }, patience()),
      securers.far.accept(b, patience()),
    ]);
  };
  const [first] = await connectBoth();
  offMs = 30 * hourMs;
  await connectBoth();
  assert.equal(first?.stream.destroyed, false);
});

suite("who dials is refused by the accepting end:", () => {
  const cases: Record<string, (agent: TestAgent) => Shown> = {
    "an attacker's leaf with the pinned CA appended": ({ authority }) => {
      const attacker = newAuthority(Date.now());
      return shown(newLeaf({ ...attacker, subject: authority.subject }, Date.now()), authority.certPem);
    },
    "the right CA with the wrong usage": ({ authority }) =>
      shown(newLeaf(authority, Date.now(), { purposes: ["serverAuth"] }), authority.certPem),
    "an expired leaf": ({ authority }) =>
      shown(newLeaf(authority, Date.now(), { notAfter: new Date(Date.now() - 60_000) }), authority.certPem),
    "a leaf without its CA": ({ authority }) => shown(newLeaf(authority, Date.now())),
  };
  for (const [name, show] of Object.entries(cases)) {
    test(name, async (t) => {
      const agent = await newAgent(t);
      const known = await newAgent(t);
      const error = await acceptFrom(t, agent, { ...show(known), ALPNProtocols: [linkProtocol] });
      assert.equal(error.code, "untrusted", error.message);
    });
  }

  test("no certificate", async (t) => {
    const error = await acceptFrom(t, await newAgent(t), { ALPNProtocols: [linkProtocol] });
    assert.match(error.message, /no certificate/);
  });

  test("no ALPN, and another one", async (t) => {
    const agent = await newAgent(t);
    const leaf = await honest(t);
    assert.match((await acceptFrom(t, agent, leaf)).message, /ALPN/);
    assert.equal((await acceptFrom(t, agent, { ...leaf, ALPNProtocols: ["h2"] })).code, "handshake");
  });

  test("TLS 1.2", async (t) => {
    const old = { ...(await honest(t)), ALPNProtocols: [linkProtocol], maxVersion: "TLSv1.2" } as const;
    assert.equal((await acceptFrom(t, await newAgent(t), old)).code, "handshake");
  });

  test("bytes that are no TLS, and silence until the signal aborts", async (t) => {
    const securer = securerOf(await newAgent(t));
    const [a, b] = duplexPair();
    a.write("GET / HTTP/1.1\r\n\r\n");
    await assert.rejects(securer.accept(b, patience()), isLinkError("handshake"));
    assert.ok(b.destroyed);
    const [, silent] = duplexPair();
    await assert.rejects(securer.accept(silent, AbortSignal.timeout(50)), { name: "TimeoutError" });
    assert.ok(silent.destroyed);
  });
});

suite("who answers is refused by the dialling end:", () => {
  const cases: Record<string, (agent: TestAgent) => { show: Shown; alpn?: string[] }> = {
    "an attacker's leaf with the pinned CA appended": ({ authority }) => {
      const attacker = newAuthority(Date.now());
      return { show: shown(newLeaf({ ...attacker, subject: authority.subject }, Date.now()), authority.certPem) };
    },
    "an attacker's whole chain with the pinned CA behind it": ({ authority }) => {
      const attacker = newAuthority(Date.now());
      return { show: shown(newLeaf(attacker, Date.now()), attacker.certPem, authority.certPem) };
    },
    "a self-signed twin with equal names": ({ authority }) => {
      const twin = twinOf(authority, Date.now());
      return { show: shown(newLeaf({ ...twin, publicKey: authority.publicKey }, Date.now()), twin.certPem) };
    },
    "another agent, honest in itself": () => {
      const other = newAuthority(Date.now());
      return { show: shown(newLeaf(other, Date.now()), other.certPem) };
    },
    "the right CA with the wrong usage": ({ authority }) => ({
      show: shown(newLeaf(authority, Date.now(), { purposes: ["clientAuth"] }), authority.certPem),
    }),
    "an expired leaf": ({ authority }) => ({
      show: shown(newLeaf(authority, Date.now(), { notAfter: new Date(Date.now() - 60_000) }), authority.certPem),
    }),
    "the right agent without ALPN": ({ authority }) => ({
      show: shown(newLeaf(authority, Date.now()), authority.certPem),
      alpn: [],
    }),
  };
  for (const [name, make] of Object.entries(cases)) {
    test(name, async (t) => {
      const [near, far] = [await newAgent(t), await newAgent(t)];
      const { show, alpn = [linkProtocol] } = make(far);
      const [a, b] = duplexPair();
      const server = new TlsSocket(b, {
        isServer: true,
        requestCert: true,
        rejectUnauthorized: false,
        ...show,
        ALPNProtocols: alpn,
      });
      server.on("error", () => {});
      t.after(() => server.destroy());
      let leaked = 0;
      server.on("data", (chunk: Buffer) => {
        leaked += chunk.length;
      });
      const dialling = securerOf(near).dial(a, { fingerprint: far.identity.fingerprint }, patience());
      await assert.rejects(dialling, isLinkError("untrusted"));
      assert.ok(a.destroyed);
      assert.equal(leaked, 0);
    });
  }
});

suite("a resumed TLS session:", () => {
  test("is refused, although its chain is remembered and good", async (t) => {
    const agent = await newAgent(t);
    const { cert, key } = await honest(t);
    const server = createServer({
      cert: agent.identity.leaf().certPem,
      key: agent.identity.leaf().keyPem.reveal(),
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: [linkProtocol],
      minVersion: "TLSv1.3",
    });
    const port = await listen(t, server);
    const visit = async (session?: Buffer): Promise<{ judged: ReturnType<typeof judgePeer>; client: TLSSocket }> => {
      const secured = once(server, "secureConnection", { signal: patience() });
      const client = connect({
        socket: connectTcp(port, "127.0.0.1"),
        cert,
        key,
        rejectUnauthorized: false,
        ALPNProtocols: [linkProtocol],
        ...(session ? { session } : {}),
      });
      client.on("error", () => {});
      t.after(() => client.destroy());
      const ticket = session ? undefined : once(client, "session", { signal: patience() });
      const [accepted] = (await secured) as [TLSSocket];
      const judged = judgePeer(accepted, linkProtocol, {}, new Date(), "client");
      await ticket;
      return { judged, client };
    };
    const first = await visit();
    assert.ok(first.judged.ok);
    const second = await visit(first.client.getSession());
    assert.ok(second.client.isSessionReused());
    assert.ok(!second.judged.ok);
    assert.match(second.judged.reason, /resumed/);
  });

  test("is not even possible with an agent, which gives out nothing to resume", async (t) => {
    const agent = await newAgent(t);
    const securer = securerOf(agent);
    const { cert, key } = await honest(t);
    const visit = async (shows: Partial<Shown>, session?: Buffer) => {
      const [a, b] = duplexPair();
      const accepting = securer.accept(b, patience());
      accepting.catch(() => {});
      const client = connect({
        socket: a,
        ...shows,
        rejectUnauthorized: false,
        ALPNProtocols: [linkProtocol],
        ...(session ? { session } : {}),
      });
      client.on("error", () => {});
      let given: Buffer | undefined;
      client.on("session", (next) => {
        given = next;
      });
      await once(client, "secureConnect", { signal: patience() });
      return { client, accepting, given: () => given };
    };
    const first = await visit({ cert, key });
    const carrier = await first.accepting;
    carrier.stream.write("x");
    await once(first.client, "data", { signal: patience() });
    const session = first.given() ?? first.client.getSession();
    assert.ok(session);
    const second = await visit({}, session);
    assert.equal(second.client.isSessionReused(), false);
    await assert.rejects(second.accepting, /no certificate/);
  });

  test("is refused by the judgement itself, whatever else holds", async (t) => {
    const { identity } = await newAgent(t);
    const handshake = {
      protocol: "TLSv1.3",
      alpn: linkProtocol,
      resumed: false,
      chain: chainOf(identity.leaf().certPem),
    };
    const judge = (differs: object) =>
      judgeHandshake({ ...handshake, ...differs }, linkProtocol, {}, new Date(), "client");
    assert.ok(judge({}).ok);
    assert.ok(!judge({ resumed: true }).ok);
    assert.ok(!judge({ alpn: false }).ok);
    assert.ok(!judge({ protocol: "TLSv1.2" }).ok);
  });
});

test("a record that was tampered with after the handshake ends the carrier at both ends, and nothing of it is read", async (t) => {
  for (const tampered of ["dialling", "accepting"] as const) {
    const [near, far] = [await newAgent(t), await newAgent(t)];
    const { dialled, accepted, tamper } = meddledPair(tampered);
    const [dialling, accepting] = await Promise.all([
      securerOf(near).dial(dialled, { fingerprint: far.identity.fingerprint }, patience()),
      securerOf(far).accept(accepted, patience()),
    ]);
    const [from, to] = tampered === "dialling" ? [dialling, accepting] : [accepting, dialling];
    let read = 0;
    to.stream.on("data", (chunk: Buffer) => {
      read += chunk.length;
    });
    from.stream.write("good");
    await until("what came before has come", () => read === 4);
    tamper();
    from.stream.write("evil");
    await until("both ends are closed", () => to.stream.destroyed && from.stream.destroyed);
    assert.equal(read, 4);
    assert.ok(to.stream.errored);
  }
});

test("a reader that stops stops its writer through TLS as well", async (t) => {
  const [near, far] = [await newAgent(t), await newAgent(t)];
  const { dialled, accepted } = await webSocketPair(t);
  const [dialling, accepting] = await Promise.all([
    securerOf(near).dial(dialled, { fingerprint: far.identity.fingerprint }, patience()),
    securerOf(far).accept(accepted, patience()),
  ]);
  const chunk = Buffer.alloc(65_536);
  const total = 65_536 * 1024;
  let written = 0;
  const pump = (): void => {
    while (written < total) {
      written += chunk.length;
      if (!dialling.stream.write(chunk)) {
        dialling.stream.once("drain", pump);
        return;
      }
    }
    dialling.stream.end();
  };
  pump();
  let before = -1;
  while (before !== written) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  assert.ok(written < total / 2, `${written} bytes were taken with nobody reading`);
  let read = 0;
  for await (const data of accepting.stream) read += (data as Buffer).length;
  assert.equal(read, total);
});

function shown(leaf: ForgedLeaf, ...more: string[]): Shown {
  return { cert: [leaf.pem, ...more].join(""), key: leaf.keyPem };
}

async function honest(t: TestContext): Promise<Shown> {
  const leaf = (await newAgent(t)).identity.leaf();
  return { cert: leaf.certPem, key: leaf.keyPem.reveal() };
}

function isLinkError(code: LinkError["code"]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof LinkError);
    assert.equal(error.code, code, error.message);
    return true;
  };
}

/** Why `agent` refuses a client with these options. */
async function acceptFrom(t: TestContext, agent: TestAgent, options: TLSSocketOptions): Promise<LinkError> {
  const [a, b] = duplexPair();
  const client = connect({ socket: a, rejectUnauthorized: false, ...options });
  client.on("error", () => {});
  t.after(() => client.destroy());
  try {
    await securerOf(agent).accept(b, patience());
  } catch (error) {
    assert.ok(error instanceof LinkError, String(error));
    assert.ok(b.destroyed);
    return error;
  }
  throw new assert.AssertionError({ message: "it was accepted" });
}

/** Two ends with somebody in between, who flips a bit in the next bytes of one direction when told. */
function meddledPair(direction: "dialling" | "accepting"): { dialled: Duplex; accepted: Duplex; tamper(): void } {
  const [dialled, left] = duplexPair();
  const [right, accepted] = duplexPair();
  let armed = false;
  const meddler = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      const bytes = Buffer.from(chunk);
      if (armed) bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
      callback(null, bytes);
    },
  });
  for (const [from, to, through] of [
    [left, right, direction === "dialling" ? meddler : undefined],
    [right, left, direction === "accepting" ? meddler : undefined],
  ] as const) {
    (through ? from.pipe(through) : from).pipe(to);
    from.on("close", () => to.destroy());
  }
  return {
    dialled,
    accepted,
    tamper() {
      armed = true;
    },
  };
}
