/**
 * kubectl, helm and programs on the Kubernetes API of a peer, between two agents that the chart installed: what they get there is what
 * the administrator gets who asks the same API server himself.
 */
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { findHelm } from "../../bin/helm.ts";
import { mustRun } from "./command.ts";
import { acts, looks } from "./kubectl-commands.ts";
import { carryBytes, proxies, showTerminals } from "./kubectl-programs.ts";
import { type KubectlStage, kubectl, namespaces, openKubectlStage, type Way } from "./kubectl-stage.ts";
import { commandOf, Differences, print } from "./kubectl-table.ts";
import { liveThroughCuts } from "./kubectl-watches.ts";
import { until } from "./until.ts";

const user = "fairlead:peer:kubectl-a";
const notSwitchedOn =
  /kubectl of peer kubectl-a is not switched on.*fairlead peer allow-kubectl kubectl-a \(rule: kubernetes\/not-allowed\)/;

let stage: KubectlStage;
let shared: { tunnel: Way; direct: Way };
before(
  async () => {
    stage = await openKubectlStage();
    const { b, tunnel, direct } = stage;
    shared = {
      tunnel: { ...tunnel, namespace: namespaces.shared },
      direct: { ...direct, namespace: namespaces.shared },
    };
    await Promise.all(Object.values(namespaces).map((name) => b.kubectl(["create", "namespace", name])));
    await furnish();
  },
  { timeout: 300_000 },
);

after(() => stage?.close(), { timeout: 180_000 });

/** What there is to look at. */
async function furnish(): Promise<void> {
  const make = (...args: string[]): Promise<string> => stage.b.kubectl(["-n", namespaces.shared, ...args]);
  const busybox = ["--image=docker.io/library/busybox:1.36", "--restart=Never", "--"];
  const lines = "i=0; while [ $i -lt 5 ]; do echo line $i; i=$((i+1)); done";
  await make("create", "deployment", "web", "--image=example.test/echo:1");
  await make("expose", "deployment", "web", "--port=80", "--target-port=8080");
  await make("create", "configmap", "settings", "--from-literal=mode=calm");
  await make("run", "box", ...busybox, "sh", "-c", `${lines}; sleep 3600`);
  await make("run", "done", ...busybox, "sh", "-c", lines);
  await make("run", "cat", "--stdin", "--attach=false", "--leave-stdin-open", ...busybox, "cat");
  await make("wait", "--for=condition=Ready", "pod/box", "pod/cat", "--timeout=50s");
  await make("rollout", "status", "deployment/web", "--timeout=50s");
  await make("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/done", "--timeout=50s");
}

/** What kubectl says to standard error when it fails. */
async function refusal(way: Way, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await kubectl(way, args);
  assert.notEqual(code, 0, stdout);
  return stderr;
}

test("nothing passes until the operator has said a word for the peer, which kubectl says, and can take back", {
  timeout: 300_000,
}, async () => {
  const { host, plugin, tunnel } = stage;
  const refused = (): Promise<unknown> =>
    until("it is refused, with what to do about it", async () =>
      notSwitchedOn.test(await refusal(tunnel, "get", "pods")),
    );
  const judged = (): Promise<unknown> =>
    until("RBAC decides, on the peer's name", async () =>
      (await refusal(tunnel, "get", "pods")).includes(`User "${user}" cannot list resource "pods"`),
    );
  assert.match(await refusal(plugin, "get", "pods"), notSwitchedOn, "as kubectl asks for its token itself, too");
  await host.cli(["peer", "allow-kubectl", "kubectl-a", "--group", "viewers"]);
  await judged();
  await host.cli(["peer", "disallow-kubectl", "kubectl-a"]);
  await refused();
  await stage.allowByChart(true);
  await judged();
});

test("who may only get pods/exec runs nothing, though this API server would let them over a WebSocket", {
  timeout: 60_000,
}, async () => {
  const { b } = stage;
  const rights = ["--verb=get", "--resource=pods,pods/exec", "-n", namespaces.shared];
  await b.kubectl(["create", "role", "getter", ...rights]);
  await b.kubectl(["create", "rolebinding", "getter", "--role=getter", "--group=viewers", "-n", namespaces.shared]);
  await until("the role is in force", async () => (await kubectl(shared.tunnel, ["get", "pod", "box"])).code === 0);
  assert.match(
    await refusal(shared.tunnel, "exec", "box", "--", "id"),
    /cannot create resource.*rule: kubernetes\/create/,
  );
  await b.kubectl(["delete", "role,rolebinding", "getter", "-n", namespaces.shared]);
});

test("it is the peer who asks, with the person beside it, whoever they say they are; and the API server's audit knows both", {
  timeout: 60_000,
}, async (t) => {
  const { b, tunnel, plugin } = stage;
  await b.kubectl(["create", "clusterrolebinding", "kubectl-e2e", "--clusterrole=cluster-admin", `--user=${user}`]);
  await until("the role is in force", async () => (await kubectl(tunnel, ["get", "nodes"])).code === 0);
  const since = new Date();
  for (const [way, ...as] of [
    [tunnel],
    [plugin],
    [tunnel, "--as=system:admin", "--as-group=system:masters"],
  ] as const) {
    const { stdout, stderr } = await kubectl(way, ["auth", "whoami", "-o", "json", ...as]);
    assert.equal(stderr, "");
    const { username, groups, extra } = JSON.parse(stdout).status.userInfo;
    assert.deepEqual([username, groups], [user, ["fairlead:peers", "viewers", "system:authenticated"]]);
    assert.deepEqual(extra["fairlead.dev/asserted-person"], ["admin-token"]);
  }
  const asked = await auditOf(process.env.AUDIT_LOG_B, since, user);
  if (!asked) return t.diagnostic("AUDIT_LOG_B is not set; what the API server writes down is left out");
  assert.ok(asked.length >= 3);
  const { rules } = await b.get<{ rules: { resourceNames?: string[] }[] }>([
    "clusterrole",
    "fairlead-kubectl-kubectl-a",
  ]);
  assert.deepEqual(
    rules.map(({ resourceNames }) => resourceNames),
    [[user], ["fairlead:peers", "viewers"], undefined],
    "each right of the role is used, in these names",
  );
  for (const { user: agent, impersonatedUser } of asked) {
    assert.equal(agent.username, "system:serviceaccount:fairlead-chart:fairlead");
    assert.deepEqual(impersonatedUser?.extra?.["fairlead.dev/asserted-person"], ["admin-token"]);
    assert.deepEqual(impersonatedUser?.groups?.slice(0, 2), ["fairlead:peers", "viewers"]);
  }
});

interface AuditEvent {
  readonly user: { readonly username: string };
  readonly impersonatedUser?: {
    readonly username: string;
    readonly groups?: readonly string[];
    readonly extra?: Readonly<Record<string, string[]>>;
  };
  readonly requestReceivedTimestamp: string;
}

async function auditOf(file: string | undefined, since: Date, name: string): Promise<AuditEvent[] | undefined> {
  if (!file) return undefined;
  const found: AuditEvent[] = [];
  for await (const line of createInterface({ input: createReadStream(file) })) {
    if (!line.includes(name)) continue;
    const event: AuditEvent = JSON.parse(line);
    if (event.impersonatedUser?.username === name && new Date(event.requestReceivedTimestamp) >= since)
      found.push(event);
  }
  return found;
}

test(`${looks.length} commands that look are answered as without the tunnel`, { timeout: 240_000 }, async () => {
  const differences = new Differences();
  const waiting = looks.map(commandOf);
  const work = async (): Promise<void> => {
    for (let command = waiting.shift(); command; command = waiting.shift()) {
      const [tunnel, direct] = await Promise.all([
        print(shared.tunnel, command, ["age"]),
        print(shared.direct, command, ["age"]),
      ]);
      differences.compare(command, tunnel, direct);
    }
  };
  await Promise.all([work(), work(), work()]);
  differences.none();
});

test(`${acts.length} commands that change things do there what they do without it`, { timeout: 300_000 }, async () => {
  const all = acts.map(commandOf);
  const [tunnel, direct] = await Promise.all(
    [stage.tunnel, stage.direct].map(async (way) => {
      const printed: Awaited<ReturnType<typeof print>>[] = [];
      for (const command of all) printed.push(await print(way, command, ["age", "namespace", "name"]));
      return printed;
    }),
  );
  const differences = new Differences();
  for (const [at, command] of all.entries()) {
    const [through, straight] = [tunnel?.[at], direct?.[at]];
    assert.ok(through && straight);
    differences.compare(command, through, straight);
  }
  differences.none();
});

// Over a WebSocket an API server throws away the end of what a program prints whose reader is slow, with a tunnel and without one.
for (const [protocol, there, back] of [
  ["WebSocket", 20_000_000, 50_000],
  ["SPDY", 100_000_000, 100_000_000],
] as const) {
  test(`exec, attach, cp and port-forward by ${protocol}: every byte, and the codes`, {
    timeout: 590_000,
  }, async () => {
    await carryBytes({ ...stage, way: shared.tunnel, protocol, there, back });
  });
}

test("a shell at a terminal shows what it shows without the tunnel, and kubectl proxy gives what there is", {
  timeout: 120_000,
}, async () => {
  await showTerminals(shared);
  await proxies(shared.tunnel, `/api/v1/namespaces/${namespaces.shared}/configmaps/settings`);
});

test("watches, logs that are followed and a program go on while the carrier is cut, in the same request", {
  timeout: 240_000,
}, async () => {
  await liveThroughCuts({ ...stage, way: shared.tunnel });
});

test("helm installs, tests, upgrades and uninstalls a chart there", { timeout: 180_000 }, async () => {
  const { kubeconfig, namespace } = stage.tunnel;
  const chart = new URL("probe-chart", import.meta.url).pathname;
  const helm = (...args: string[]): Promise<string> =>
    mustRun(findHelm(), [...args, "--kubeconfig", kubeconfig, "--namespace", namespace], { seconds: 120 });
  await helm("install", "probe", chart, "--wait", "--timeout", "60s");
  assert.match(await helm("test", "probe", "--logs", "--timeout", "60s"), /Phase:\s+Succeeded[\s\S]*it answers/);
  await helm("upgrade", "probe", chart, "--set", "replicas=2", "--wait", "--timeout", "60s");
  assert.match(await helm("history", "probe"), /superseded[\s\S]*deployed/);
  assert.equal(
    await stage.b.kubectl(["get", "deployment", "probe", "-n", namespace, "-o", "jsonpath={.status.readyReplicas}"]),
    "2",
  );
  await helm("uninstall", "probe", "--wait");
  assert.equal((await helm("list", "--short")).trim(), "");
});

test("what kubectl is told when the door refuses is what it shows", { timeout: 60_000 }, async () => {
  const bad = { ...stage.tunnel, namespace: "default" };
  assert.match(await refusal(bad, "--token=flk_x.y", "get", "pods"), /This token is not valid here/);
});

test("without one of its rights, or without the chart's value, it is over", { timeout: 180_000 }, async () => {
  const { b, tunnel } = stage;
  const { rules } = await b.get<{ rules: object[] }>(["clusterrole", "fairlead-kubectl-kubectl-a"]);
  const all = JSON.stringify({ rules });
  const passes = (): Promise<unknown> =>
    until("it passes", async () => (await kubectl(tunnel, ["get", "pods"])).code === 0);
  for (const [index, says] of [
    notSwitchedOn,
    /not speak for the peer in all groups that a PeerPolicy names/,
    notSwitchedOn,
  ].entries()) {
    const without = JSON.stringify([{ op: "remove", path: `/rules/${index}` }]);
    await b.kubectl(["patch", "clusterrole", "fairlead-kubectl-kubectl-a", "--type=json", "-p", without]);
    await until(`it is refused without rule ${index}`, async () => says.test(await refusal(tunnel, "get", "pods")));
    await b.kubectl(["patch", "clusterrole", "fairlead-kubectl-kubectl-a", "--type=merge", "-p", all]);
    await passes();
  }
  await stage.allowByChart(false);
  await until("it is refused", async () => notSwitchedOn.test(await refusal(tunnel, "get", "pods")));
});
