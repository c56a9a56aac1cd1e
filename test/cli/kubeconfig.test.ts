import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { kubeconfigPath, updateKubeconfig } from "../../src/cli/kubeconfig-file.ts";
import { type KubeconfigEntry, mergeKubeconfig as merge, readAnswer } from "../../src/cli/kubeconfig-merge.ts";
import { kubectlRights } from "../../src/cli/peer-kubectl.ts";
import { type Kubeconfig, kubeconfigText } from "../../src/console/api/kubeconfig.ts";
import { render } from "../charts/render.ts";
import { run } from "./world.ts";

const command = { command: "fairlead", args: ["kube-token", "berlin"] };
const door = "https://console.example:8443";
const server = `${door}/peers/berlin/kubernetes`;
const asked = { name: "berlin", peer: "berlin", door, user: command };

/** As an agent makes it, and as the command line takes it. */
function made(more: Partial<Kubeconfig> = {}): KubeconfigEntry {
  const about = {
    name: "berlin",
    server,
    caPem: "PEM",
    serverName: "console.fairlead.internal",
    user: command,
    ...more,
  };
  const at = about.server.replace("/peers/berlin/kubernetes", "");
  return readAnswer(kubeconfigText(about), { ...asked, door: at, user: "token" in about.user ? "token" : command });
}

const entry = made();

/** What else is chosen is left. */
function mergeKubeconfig(text: string, one: KubeconfigEntry, use = false): string {
  return merge(text, one, { use });
}

const mine = `# mine
apiVersion: v1
kind: Config
current-context: home
clusters:
  # at home
  - name: home
    cluster: { server: "https://home:6443" }
users: []
contexts:
  - { name: home, context: { cluster: home, user: me, namespace: shop } }
`;

describe("a kubeconfig", () => {
  test("gets a context for a peer, keeps all else, and takes the same twice", () => {
    const once = mergeKubeconfig(mine, entry);
    assert.match(once, /# mine\n/);
    assert.match(once, /# at home\n {2}- name: home\n {4}cluster: \{ server: "https:\/\/home:6443" \}/);
    const read = parse(once);
    assert.equal(read["current-context"], "home");
    assert.deepEqual(read.clusters[1], {
      name: "berlin",
      cluster: {
        server,
        "certificate-authority-data": Buffer.from("PEM").toString("base64"),
        "tls-server-name": "console.fairlead.internal",
      },
    });
    assert.deepEqual(read.users[0].user.exec.args, ["kube-token", "berlin"]);
    assert.equal(mergeKubeconfig(once, entry), once);
    const moved = parse(mergeKubeconfig(once, made({ server: server.replace("8443", "9443"), caPem: "" }), true));
    assert.match(moved.clusters[1].cluster.server, /9443/);
    assert.equal(moved.clusters[1].cluster["certificate-authority-data"], undefined);
    assert.equal(moved["current-context"], "berlin");
  });

  test("keeps a namespace that somebody has chosen, and is made where there is none", () => {
    const fresh = mergeKubeconfig("", entry);
    assert.equal(parse(fresh)["current-context"], "berlin");
    assert.equal(parse(mergeKubeconfig("# nothing yet\n", entry)).kind, "Config");
    const chosen = fresh.replace("user: berlin\n", "user: berlin\n      namespace: shop\n");
    assert.equal(parse(mergeKubeconfig(chosen, entry)).contexts[0].context.namespace, "shop");
  });

  test("is left alone when it has something else by that name, or is none", () => {
    for (const text of [
      mine.replaceAll("name: home", "name: berlin"),
      mergeKubeconfig("", entry).replace("kube-token", "other"),
      mergeKubeconfig("", entry).replace("cluster: berlin", "cluster: other"),
      "- a list",
      "a: [",
    ]) {
      assert.throws(() => mergeKubeconfig(text, entry), /left as (they are|it is)/);
    }
  });

  test("is taken of an agent when it is what was asked for, and no other, which could make kubectl run anything", () => {
    const token = made({ user: { token: "flk_1" } });
    assert.deepEqual(token.user, { token: "flk_1" });
    const right = { name: "berlin", server, caPem: "", serverName: "", user: command };
    const other = kubeconfigText({ ...right, user: { command: "sh", args: command.args } });
    const more = kubeconfigText({
      ...right,
      user: { command: "fairlead", args: [...command.args, "--state", "/tmp/x"] },
    });
    const env = kubeconfigText(right).replace(
      "exec:\n",
      "exec:\n        env: [{ name: LD_PRELOAD, value: /tmp/x.so }]\n",
    );
    const proxied = kubeconfigText(right).replace("cluster:\n", "cluster:\n      proxy-url: http://mallory\n");
    const elsewhere = kubeconfigText({ ...right, server: "https://mallory.example" });
    const both = kubeconfigText(right).replace("user:\n", "user:\n      token: flk_1\n");
    for (const text of [
      other,
      more,
      env,
      proxied,
      elsewhere,
      both,
      kubeconfigText({ ...right, name: "oslo" }),
      "a: b",
    ]) {
      assert.throws(() => readAnswer(text, asked), /not what was asked for/, text);
    }
    for (const part of [
      { user: "token" as const },
      { peer: "oslo" },
      { peer: "oslo", door: "" },
      { door: "https://other.example:8443" },
    ]) {
      assert.throws(() => readAnswer(kubeconfigText(right), { ...asked, ...part }), /not what was asked for/);
    }
    for (const door of ["", "https://CONSOLE.example:8443/"]) {
      assert.equal(readAnswer(kubeconfigText(right), { ...asked, door }).cluster.server, server);
    }
  });

  test("is found as kubectl finds it, and replaced behind a link, for its owner's eyes", async () => {
    assert.equal(kubeconfigPath({ HOME: "/h" }, undefined), "/h/.kube/config");
    assert.equal(kubeconfigPath({ HOME: "/h", KUBECONFIG: ":/a:/b" }, undefined), "/a");
    assert.equal(kubeconfigPath({ KUBECONFIG: "/a" }, "/c"), "/c");
    const folder = await mkdtemp(join(tmpdir(), "fairlead-kubeconfig-"));
    try {
      const [file, link] = [join(folder, "sub", "config"), join(folder, "link")];
      await updateKubeconfig(file, (text) => `${text}one\n`);
      await symlink(file, link);
      await updateKubeconfig(link, (text) => `${text}two\n`);
      assert.equal(await readFile(file, "utf8"), "one\ntwo\n");
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      await assert.rejects(
        updateKubeconfig(file, () => {
          throw new Error("no");
        }),
        /no/,
      );
      await writeFile(`${file}.lock`, "");
      await assert.rejects(
        updateKubeconfig(file, () => ""),
        /locked by another program/,
      );
      assert.equal(await readFile(file, "utf8"), "one\ntwo\n");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("fairlead peer allow-kubectl", () => {
  test("gives the agent the names of one peer, exactly as the chart does", async () => {
    const rendered = await render({ kubernetes: { peers: [{ name: "berlin", groups: ["viewers"] }] } });
    const objects = kubectlRights("berlin", ["viewers"], { name: "fairlead", namespace: "ship" });
    for (const { kind, rules, roleRef, subjects } of objects as readonly Record<string, string>[]) {
      const chart = rendered.get(kind ?? "", "fairlead-kubectl-berlin");
      assert.deepEqual([rules, roleRef, subjects], [chart.rules, chart.roleRef, chart.subjects]);
    }
  });

  test("shows with --dry-run what it would apply, and takes no group of Kubernetes' own", async () => {
    const shown = await run(undefined, ["peer", "allow-kubectl", "berlin", "--dry-run", "--agent-namespace", "ship"]);
    assert.deepEqual(
      parseAllDocuments(shown.out).map((document) => document.toJS()),
      kubectlRights("berlin", [], { name: "fairlead", namespace: "ship" }),
    );
    assert.equal(
      (await run(undefined, ["peer", "allow-kubectl", "berlin", "--dry-run", "--group", "system:masters"])).code,
      2,
    );
    assert.equal((await run(undefined, ["peer", "allow-kubectl", "*"])).code, 2);
  });

  test("applies with the rights of who runs it, and takes back what it gave", async () => {
    const done: string[] = [];
    const openRights = async () => ({
      apply: async ({ kind, metadata }: { kind: string; metadata: { name: string } }) =>
        void done.push(`${kind} ${metadata.name}`),
      remove: async (kind: string, name: string) => done.push(`no ${kind} ${name}`) > 0,
    });
    const allowed = await run(undefined, ["peer", "allow-kubectl", "berlin"], { openRights });
    assert.match(allowed.out, /may speak for user fairlead:peer:berlin, group fairlead:peers\n/);
    await run(undefined, ["peer", "disallow-kubectl", "berlin"], { openRights });
    assert.deepEqual(done, [
      "ClusterRole fairlead-kubectl-berlin",
      "ClusterRoleBinding fairlead-kubectl-berlin",
      "no ClusterRoleBinding fairlead-kubectl-berlin",
      "no ClusterRole fairlead-kubectl-berlin",
    ]);
  });
});
