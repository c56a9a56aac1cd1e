/** Command lines are completed: by the tree of commands, and by the names that the agent knows. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import type { Command } from "commander";
import { subjectOf } from "../../src/cli/live-names.ts";
import { buildProgram } from "../../src/cli/program.ts";
import { shellWords } from "../../src/cli/shell-words.ts";
import { pair, run, startWorld, testContext, type World } from "./world.ts";

/** A busy machine takes seconds to begin. */
const patient = { env: { FAIRLEAD_COMPLETION_TIMEOUT: "60s" } };
const bin = new URL("../../bin/fairlead", import.meta.url).pathname;

/** The words that may stand at the end, without an agent. */
async function words(...given: string[]): Promise<string[]> {
  const { out, code, err } = await run(undefined, ["__complete", "words", "--", ...given]);
  assert.deepEqual([code, err], [0, ""]);
  return wordsOf(out);
}

function wordsOf(out: string): string[] {
  return out.split("\n").flatMap((line) => line.split("\t")[0] || []);
}

suite("a word of a command line", () => {
  test("is a command, its verb, or an option of either, by what was typed of it", async () => {
    assert.deepEqual(await words("pe"), ["peer"]);
    assert.deepEqual(await words("peer", "re"), ["relay", "reconnect", "remove"]);
    assert.deepEqual(await words("app", "exec", "--t"), ["--tty", "--token"]);
    assert.ok(!(await words("")).includes("__complete"));
    assert.deepEqual(await words("--server", "x", "peer", "gr"), ["grant"]);
  });

  test("is the value of an option, wherever that stands", async () => {
    assert.deepEqual(await words("app", "list", "-o", "j"), ["json"]);
    assert.deepEqual(await words("app", "list", "--output=y"), ["--output=yaml"]);
    assert.deepEqual(await words("app", "deploy", "-f", ""), [":files"]);
    assert.deepEqual(await words("invite", "--grant", "apps,tu"), ["apps,tunnels"]);
    assert.deepEqual(await words("completion", ""), ["bash", "zsh", "fish"]);
  });

  test("is the program's own behind --, and nobody's business", async () => {
    assert.deepEqual(await words("app", "exec", "web", "--", "-"), []);
  });

  test("has a meaning in each command that there is", () => {
    const visit = (command: Command, path: readonly string[]): void => {
      for (const argument of command.registeredArguments) {
        const asked = { command: path, name: argument.name(), isOption: false };
        assert.ok(argument.argChoices ?? subjectOf(asked), `${path.join(" ")} <${argument.name()}> completes nothing`);
      }
      for (const child of command.commands.filter((one) => one.name() !== "__complete"))
        visit(child, [...path, child.name()]);
    };
    visit(buildProgram(testContext()), []);
  });

  test("is split as a shell splits it", () => {
    const lines: [string, string[]][] = [
      ["fairlead app get ", ["fairlead", "app", "get", ""]],
      ["a 'b c' \"d 'e\" f\\ g", ["a", "b c", "d 'e", "f g"]],
      ["a 'open quo", ["a", "open quo"]],
      ["a ''", ["a", ""]],
      ["", [""]],
    ];
    for (const [line, expected] of lines) assert.deepEqual(shellWords(line), expected);
  });

  test("is nothing, in silence, when the agent is not there or does not answer", async () => {
    const silent = await run(undefined, ["__complete", "words", "--", "app", "get", ""], {
      connect: () => new Promise(() => undefined),
    });
    assert.deepEqual(silent, { code: 0, out: "", err: "" });
    assert.deepEqual(await words("peer", "get", ""), []);
  });
});

suite("names that the agent knows", { timeout: 120_000 }, () => {
  let world: World;
  let path: string;
  before(async () => {
    world = await startWorld();
    await pair(world, "apps");
    const image = ["--image", "a", "--port", "web:8080"];
    for (const app of ["shop", "shelf"]) {
      const deployed = await run(world.lisbon, ["app", "deploy", app, "--peer", "berlin", ...image, "--wait"]);
      assert.equal(deployed.code, 0, deployed.err);
    }
    path = await mkdtemp(join(tmpdir(), "fairlead-completion-"));
    await symlink(bin, join(path, "fairlead"));
  });
  after(async () => {
    await rm(path, { recursive: true, force: true });
    await world[Symbol.asyncDispose]();
  });

  const live = async (...given: string[]): Promise<string[]> =>
    wordsOf((await run(world.lisbon, ["__complete", "words", "--", ...given], patient)).out);

  test("are apps, peers, namespaces, pods, containers and ports, each where it belongs", async () => {
    assert.deepEqual((await live("app", "get", "sh")).sort(), ["shelf", "shop"]);
    assert.deepEqual(await live("app", "-n", "elsewhere", "get", ""), []);
    assert.deepEqual(await live("app", "restart", "shop", "she"), ["shelf"]);
    assert.deepEqual(await live("peer", "get", ""), ["berlin"]);
    assert.deepEqual(await live("app", "deploy", "x", "--peer", "b"), ["berlin"]);
    assert.deepEqual(await live("app", "list", "-n", ""), ["default"]);
    const [pod, ...others] = await live("app", "exec", "shop", "--pod", "");
    assert.match(pod ?? "", /^shop-/);
    assert.deepEqual(others, []);
    assert.deepEqual(await live("app", "logs", "shop", "-c", ""), ["app"]);
    assert.deepEqual(await live("app", "port-forward", "shop", ""), ["8080"]);
    assert.deepEqual(await live("app", "cp", "sho"), [":files", "shop:"]);
    assert.deepEqual(await live("target", "list", ""), ["berlin"]);
    assert.deepEqual(await live("forward", ""), ["list", "get", "create", "edit", "delete", "berlin"]);
    assert.deepEqual(await live("forward", "list", ""), ["berlin"]);
    assert.deepEqual(await live("forward", "peer/berlin", "app/default/sho"), ["app/default/shop:8080"]);
    assert.deepEqual(await live("forward", "berlin", "app/default/sh"), [
      "app/default/shelf:8080",
      "app/default/shop:8080",
    ]);
    assert.deepEqual(await live("app", "rollback", "shop", "--to-revision="), ["--to-revision=1"]);
  });

  test("reach bash, which replaces only what stands behind = and :", async () => {
    const lines: [string, string][] = [
      ["fairlead app describe she", "shelf"],
      ["fairlead app deploy new --peer=b", "berlin"],
      ["fairlead app cp sho", "shop:"],
      ["fairlead app get 'shop' -o w", "wide"],
    ];
    const { out } = await run(undefined, ["completion", "bash"]);
    const script = `${out}
      for line; do
        COMP_LINE=$line COMP_POINT=\${#line} COMP_WORDS=(fairlead)
        _fairlead
        printf '%s\\n' "$line: \${COMPREPLY[*]}"
      done`;
    const env = {
      PATH: `${path}:${process.env.PATH}`,
      HOME: path,
      KUBECONFIG: "/nowhere",
      FAIRLEAD_SERVER: world.lisbon.consoleUrl,
      FAIRLEAD_TOKEN: world.lisbon.token,
      ...patient.env,
    };
    const given = ["--norc", "-c", script, "bash", ...lines.map(([line]) => line)];
    const { stdout, stderr } = await promisify(execFile)("bash", given, { env });
    assert.equal(stderr, "");
    assert.deepEqual(
      stdout.trimEnd().split("\n"),
      lines.map(([line, word]) => `${line}: ${word}`),
    );
  });

  test("are told to nobody without a token", async () => {
    const ran = await run(world.lisbon, ["__complete", "words", "--", "app", "get", ""], { token: "flt_of-nobody" });
    assert.deepEqual(ran, { code: 0, out: "", err: "" });
  });
});
