import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { suite, test } from "node:test";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { type Cluster, connectToAgent } from "../../src/cli/connection.ts";
import type { ConnectionOptions } from "../../src/cli/context.ts";
import { CliError, exitCode } from "../../src/cli/errors.ts";
import { AgentService } from "../../src/gen/fairlead/console/v1/agent_service_pb.ts";

const { signal } = new AbortController();

/** A console that answers with the credentials that it was shown. */
async function startEcho() {
  const routes: Parameters<typeof connectNodeAdapter>[0]["routes"] = (router) =>
    router.service(AgentService, {
      getInfo: (_request, { requestHeader }) => ({ name: requestHeader.get("authorization") ?? "none" }),
    });
  const server = createServer(connectNodeAdapter({ routes })).listen(0, "127.0.0.1");
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

interface Given {
  readonly env?: Record<string, string>;
  readonly cluster?: Cluster;
  readonly options?: ConnectionOptions;
}

/** What the agent saw, and which namespace is meant. */
async function reach({ env = {}, cluster, options = {} }: Given): Promise<{ shown: string; namespace: string }> {
  const openCluster = async (): Promise<Cluster> => {
    if (cluster) return cluster;
    throw new Error("There is no kubeconfig.");
  };
  const connection = await connectToAgent(
    { env, version: "0.0.1", openCluster, findConsole: async () => undefined },
    options,
    signal,
  );
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
});
