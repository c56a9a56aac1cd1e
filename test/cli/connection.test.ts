import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { suite, test } from "node:test";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { type Cluster, connectToAgent, type FoundConsole } from "../../src/cli/connection.ts";
import type { ConnectionOptions } from "../../src/cli/context.ts";
import { CliError, exitCode } from "../../src/cli/errors.ts";
import { AgentService } from "../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import { makeAuthority, readAuthority } from "../../src/identity/authority.ts";
import { issueServerLeaf } from "../../src/identity/leaf.ts";

const { signal } = new AbortController();

/** A console that answers with the credentials that it was shown. */
function echo() {
  const routes: Parameters<typeof connectNodeAdapter>[0]["routes"] = (router) =>
    router.service(AgentService, {
      getInfo: (_request, { requestHeader }) => ({ name: requestHeader.get("authorization") ?? "none" }),
    });
  return connectNodeAdapter({ routes });
}

async function startEcho() {
  const server = createServer(echo()).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, port, [Symbol.dispose]: () => void server.close() };
}

function clusterOf(port: number, token: string | undefined): Cluster {
  return {
    namespace: "shop",
    readToken: async () => token,
    dialAgent: async () => connect(port, "127.0.0.1"),
  };
}

/** An agent's console, as its directory names it: over TLS, by its own CA. */
async function startOwn() {
  const authority = readAuthority(makeAuthority(Date.now()));
  const leaf = issueServerLeaf(authority, [{ dns: "console.test" }], Date.now(), 3_600_000);
  const server = createTlsServer({ cert: leaf.certPem, key: leaf.keyPem.reveal() }, echo()).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const found = { url: `https://127.0.0.1:${port}`, token: "own", ca: authority.certPem, serverName: "console.test" };
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { found, port, [Symbol.dispose]: close };
}

interface Given {
  readonly env?: Record<string, string>;
  readonly cluster?: Cluster;
  readonly options?: ConnectionOptions;
  /** What directories of agents without a cluster say, by their paths. */
  readonly directories?: Readonly<Record<string, FoundConsole | Error>>;
  /** What is wrong with the kubeconfig. */
  readonly broken?: string;
}

/** What the agent saw, and which namespace is meant. */
async function reach({
  env = {},
  cluster,
  options = {},
  directories = {},
  broken,
}: Given): Promise<{ shown: string; namespace: string }> {
  const openCluster = async (): Promise<Cluster | undefined> => {
    if (broken !== undefined) throw new Error(broken);
    return cluster;
  };
  const findConsole = async (path: string): Promise<FoundConsole | undefined> => {
    const found = directories[path];
    if (found instanceof Error) throw found;
    return found;
  };
  const connection = await connectToAgent({ env, version: "0.0.1", openCluster, findConsole }, options, signal);
  try {
    const { name } = await connection.client.agent.getInfo({});
    return { shown: name, namespace: connection.namespace };
  } finally {
    connection.close();
  }
}

async function refusal(given: Given): Promise<CliError> {
  try {
    await reach(given);
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error("an agent was found");
}

suite("how the agent is found", () => {
  test("by address and token alone, without any kubeconfig", async () => {
    using echo = await startEcho();
    const found = await reach({ options: { server: echo.url, token: "t1" } });
    assert.deepEqual(found, { shown: "Bearer t1", namespace: "default" });
  });

  test("by environment; flags are stronger", async () => {
    using echo = await startEcho();
    const env = { FAIRLEAD_SERVER: echo.url, FAIRLEAD_TOKEN: "t1" };
    assert.equal((await reach({ env })).shown, "Bearer t1");
    assert.equal((await reach({ env, options: { token: "t2" } })).shown, "Bearer t2");
    assert.equal(
      (await reach({ env: { ...env, FAIRLEAD_SERVER: "http://127.0.0.1:1" }, options: { server: echo.url } })).shown,
      "Bearer t1",
    );
  });

  test("through the cluster: its Secret's token, its Service, its context's namespace", async () => {
    using echo = await startEcho();
    const found = await reach({ cluster: clusterOf(echo.port, "secret") });
    assert.deepEqual(found, { shown: "Bearer secret", namespace: "shop" });
  });

  test("a context that is named by flag is meant, whatever agent the environment names", async () => {
    using echo = await startEcho();
    using other = await startEcho();
    const env = { FAIRLEAD_SERVER: other.url, FAIRLEAD_TOKEN: "of the other" };
    const found = await reach({ env, cluster: clusterOf(echo.port, "its own"), options: { context: "east" } });
    assert.equal(found.shown, "Bearer its own");
  });

  test("an address without http:// is understood, and one that is none is refused", async () => {
    using echo = await startEcho();
    assert.equal((await reach({ options: { server: `127.0.0.1:${echo.port}`, token: "t" } })).shown, "Bearer t");
    assert.equal((await refusal({ options: { server: "http://[", token: "t" } })).code, exitCode.usage);
  });

  test("with nothing to go by it says both ways", async () => {
    const { code, message, hint } = await refusal({});
    assert.equal(code, exitCode.unavailable);
    assert.match(message, /There is no kubeconfig/);
    assert.match(hint ?? "", /--kubeconfig FILE, or --server URL/);
  });

  test("a cluster without an agent is told apart from one that cannot be asked", async () => {
    const none = await refusal({ cluster: clusterOf(1, undefined) });
    assert.equal(none.code, exitCode.notFound);
    assert.match(none.message, /no agent in namespace fairlead-system/);
    const readToken = (): Promise<never> => Promise.reject(new Error("secrets is forbidden"));
    const forbidden = await refusal({ cluster: { ...clusterOf(1, "t"), readToken } });
    assert.equal(forbidden.code, exitCode.unavailable);
    assert.match(forbidden.message, /forbidden/);
  });

  test("by its directory, which has its token; a token that is given is stronger", async () => {
    using own = await startOwn();
    const directories = { "/srv/agent": own.found };
    assert.equal((await reach({ directories, options: { state: "/srv/agent" } })).shown, "Bearer own");
    assert.equal((await reach({ directories, env: { FAIRLEAD_STATE: "/srv/agent" } })).shown, "Bearer own");
    const given = await reach({ directories, options: { state: "/srv/agent", token: "t1" } });
    assert.equal(given.shown, "Bearer t1");
    const none = await refusal({ options: { state: "/srv/other" } });
    assert.match(none.message, /no agent has the directory \/srv\/other/);
  });

  test("who has taken an agent's port in its absence is shown no token, by TLS or in clear", async () => {
    using own = await startOwn();
    using other = await startOwn();
    using clear = await startEcho();
    for (const port of [other.port, clear.port]) {
      const found = { ...own.found, url: `https://127.0.0.1:${port}` };
      await assert.rejects(reach({ directories: { "/srv/agent": found }, options: { state: "/srv/agent" } }));
    }
    // The same CA has signed it, for another server.
    const misnamed = { ...own.found, serverName: "link.test" };
    await assert.rejects(reach({ directories: { "/srv/agent": misnamed }, options: { state: "/srv/agent" } }));
    assert.equal(
      (await reach({ directories: { "/srv/agent": own.found }, options: { state: "/srv/agent" } })).shown,
      "Bearer own",
    );
  });

  test("in the usual directory only when nothing says where else, and a kubeconfig that is broken says so", async () => {
    using own = await startOwn();
    const directories = { "/var/lib/fairlead": own.found };
    assert.equal((await reach({ directories })).shown, "Bearer own");
    assert.equal((await reach({ directories, env: { FAIRLEAD_TOKEN: "of another" } })).shown, "Bearer own");
    assert.equal((await reach({ directories, options: { token: "t1" } })).shown, "Bearer t1");
    const mistaken = await refusal({ directories, broken: "kubeconfig: bad indentation" });
    assert.match(mistaken.message, /bad indentation/);
    for (const elsewhere of [
      { env: { KUBECONFIG: "/none" } },
      { options: { kubeconfig: "/none" } },
      { options: { context: "east" } },
      { options: { server: "http://127.0.0.1:1" } },
    ]) {
      assert.match((await refusal({ directories, ...elsewhere })).message, /cannot be found/);
    }
    const closed = await refusal({ directories: { "/var/lib/fairlead": new Error("EACCES: permission denied") } });
    assert.equal(closed.code, exitCode.denied);
    assert.match(closed.hint ?? "", /only the user that the agent runs as, and root/);
  });
});
