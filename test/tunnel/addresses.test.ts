import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { isKeptOut } from "../../src/policy/kept-out.ts";
import { createAddressDialer } from "../../src/tunnel/dial-address.ts";
import { TunnelError, type TunnelFailure } from "../../src/tunnel/tunnel-error.ts";
import { policyOf } from "../policy/given.ts";
import { startTwoAgents, type TwoAgents } from "./two-agents.ts";

const never = new AbortController().signal;

async function listen(t: TestContext): Promise<number> {
  const server = createServer(
    (socket) =>
      void socket
        .on("error", () => undefined)
        .resume()
        .end("hello"),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Resolves as the table says; the loopback address stands for one in the network. */
function dialer(names: Record<string, readonly string[]>) {
  return createAddressDialer({
    isKeptOut: (address, port) => address !== "127.0.0.1" && (isKeptOut(address) || port === 6_443),
    lookup: async (name) => {
      const found = names[name];
      if (!found) throw Object.assign(new Error("getaddrinfo ENOTFOUND"), { code: "ENOTFOUND" });
      return found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    },
  });
}

test("a name in DNS is connected to where it was looked at, and never at an address that is kept from peers", async (t) => {
  const port = await listen(t);
  const dial = dialer({
    "db.example.org": ["169.254.169.254", "::1", "127.0.0.1"],
    "metadata.example.org": ["169.254.169.254"],
    "rebound.example.org": ["::ffff:169.254.169.254", "fd00:ec2::254", "0.0.0.0"],
  });
  const socket = await dial("db.example.org", port, never);
  assert.equal(Buffer.concat(await socket.toArray()).toString(), "hello");
  socket.destroy();
  for (const host of ["metadata.example.org", "rebound.example.org", "169.254.169.254", "::1", "10.0.0.1"]) {
    await assert.rejects(dial(host, host === "10.0.0.1" ? 6_443 : port, never), { reason: "Forbidden" }, host);
  }
  await assert.rejects(dial("nowhere.example.org", port, never), { code: "ENOTFOUND" });
});

test("where the machine itself is offered, loopback that is listed as such is reached, and by a name in DNS it is not", async (t) => {
  const port = await listen(t);
  const asked: string[] = [];
  const lookup = async (name: string) => {
    asked.push(name);
    return [{ address: "127.0.0.1", family: 4 }];
  };
  const dial = createAddressDialer({ isKeptOut, toItself: true, lookup });
  for (const host of ["127.0.0.1", "localhost", "LOCALHOST"]) (await dial(host, port, never)).destroy();
  assert.deepEqual(asked, []);
  for (const host of ["rebound.example.org", "169.254.169.254", "0.0.0.0", "::ffff:127.0.0.1"]) {
    await assert.rejects(dial(host, port, never), /no peer is led to/, host);
  }
  const inCluster = createAddressDialer({ isKeptOut, lookup });
  for (const host of ["127.0.0.1", "localhost"])
    await assert.rejects(inCluster(host, port, never), /no peer is led to/);
});

test("a dial that is given up leaves nothing behind", async () => {
  const giveUp = new AbortController();
  const looking = createAddressDialer({ isKeptOut: () => false, lookup: () => new Promise(() => undefined) });
  const dialled = looking("db.example.org", 5432, giveUp.signal);
  giveUp.abort(new Error("gone"));
  await assert.rejects(dialled, /gone/);
});

function failsWith(failure: TunnelFailure, message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof TunnelError, String(error));
    assert.match(error.message, message);
    assert.equal(error.failure, failure);
    return true;
  };
}

function dial(agents: TwoAgents, name: string, port?: number) {
  return agents.origin.dial({ peer: "there", target: { kind: "address", name, ...(port !== undefined && { port }) } });
}

test("an address is reached by the name that the policy has for it, at ports that it lists, and by nothing else", async (t) => {
  const port = await listen(t);
  const addresses = [
    { name: "erp", host: "db.example.org", ports: [port, 9_999] },
    { name: "trap", host: "metadata.example.org", ports: [80] },
  ];
  const dialAddress = dialer({ "db.example.org": ["127.0.0.1"], "metadata.example.org": ["169.254.169.254"] });
  await using agents = await startTwoAgents({ policy: policyOf({ tunnels: { addresses } }), dialAddress });
  agents.caller = { ...agents.caller, grants: ["tunnels"] };
  for (const chosen of [port, undefined]) {
    const stream = await dial(agents, "erp", chosen);
    assert.equal(Buffer.concat(await stream.toArray()).toString(), "hello");
    stream.destroy();
  }
  const refused = failsWith("denied", /no policy here lets peer here reach address\/.*\(rule: tunnels\/addresses\)/);
  await assert.rejects(dial(agents, "erp", port === 22 ? 23 : 22), refused);
  await assert.rejects(dial(agents, "other"), refused);
  await assert.rejects(dial(agents, "trap"), failsWith("broken", /leads to where peers are not let: .*link-local/));
  assert.equal(agents.audited.host[0]?.target, `address/erp:${port}`);
  assert.doesNotMatch(JSON.stringify(agents.audited), /169\.254|example\.org/, "no end tells where it is");
  agents.caller = { ...agents.caller, grants: ["apps", "kubectl"] };
  await assert.rejects(dial(agents, "erp"), failsWith("denied", /fairlead peer grant here tunnels/));
});

test("a policy whose address leads to the agent's own machine or to node metadata is not understood", () => {
  const of = (host: string) => policyOf({ tunnels: { addresses: [{ name: "erp", host, ports: [80] }] } });
  for (const host of ["127.0.0.1", "169.254.169.254", "::1", "0.0.0.0", "2130706433", "0x7f.1", "127.1", "a b", "-x"]) {
    assert.match(of(host).problems.join(), /spec\.tunnels\.addresses\[0\]/, host);
  }
  for (const host of ["10.0.0.7", "fd00::7", "db.example.org", "DB1", "db"])
    assert.deepEqual(of(host).problems, [], host);
});
