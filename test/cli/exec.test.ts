/** Programs by command line, over two agents: pods are processes here, and the sandbox plays a few of a shell's commands. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Keyboard } from "../../src/cli/context.ts";
import { exitCode } from "../../src/cli/errors.ts";
import { applyPolicies, run, start, startWorldWithWeb, type World } from "./world.ts";

const allowExec = `
apiVersion: fairlead.dev/v1alpha1
kind: PeerPolicy
metadata: { name: exec }
spec: { peers: { names: [lisbon] }, workloads: { accept: true }, pods: { exec: true } }
`;

suite("fairlead app exec", () => {
  let world: World;
  before(async () => {
    world = await startWorldWithWeb();
  });
  after(() => world[Symbol.asyncDispose]());

  const exec = (args: readonly string[], input?: string) =>
    run(world.lisbon, ["app", "exec", ...args], input === undefined ? {} : { input });

  test("is refused, with the rule that forbids it, until a policy of the host allows it", async () => {
    const refused = await exec(["web", "--", "hostname"]);
    assert.equal(refused.code, exitCode.denied);
    assert.match(refused.err, /pods\.exec: true \(rule: pods\/exec\)/);
    await applyPolicies(world.berlin, allowExec);
    let last = refused;
    for (let tries = 0; tries < 50 && last.code !== 0; tries += 1) last = await exec(["web", "--", "hostname"]);
    assert.match(last.out, /^web-\S+\n$/);
  });

  test("what the program prints on each of its outputs comes out at that, and its exit code is the command's", async () => {
    const ran = await exec(["web", "--", "sh", "-c", "echo out; echo err >&2; exit 42"]);
    assert.deepEqual(ran, { code: 42, out: "out\n", err: "err\n" });
  });

  test("standard input goes to the program, to its end; without -i it is at its end from the start", async () => {
    const text = `${"x".repeat(200_000)}\nlast\n`;
    assert.equal((await exec(["-i", "web", "--", "cat"], text)).out, text);
    assert.deepEqual(await exec(["web", "--", "cat"], text), { code: 0, out: "", err: "" });
  });

  test("a program goes on printing after its input has ended", async () => {
    const ran = await exec(["-i", "web", "--", "sh", "-c", "cat; sleep 0.2; echo after"], "before\n");
    assert.equal(ran.out, "before\nafter\n");
  });

  test("an argument that begins with a dash is the program's", async () => {
    assert.equal((await exec(["web", "--", "echo", "-i", "--pod"])).out, "-i --pod\n");
  });

  test("a program, pod, container or app that is not there is said so", async () => {
    const said: [string[], number, RegExp][] = [
      [["web", "--", "no-such-program"], 127, /no-such-program/],
      [["--pod", "web-9", "web", "--", "true"], exitCode.notFound, /no pod "web-9"; it has web-/],
      [["-c", "side", "web", "--", "true"], exitCode.notFound, /no container "side"; they have app/],
      [["nobody", "--", "true"], exitCode.notFound, /default\/nobody/],
      [["--peer", "rome", "web", "--", "true"], exitCode.notFound, /does not run at rome; it runs at berlin/],
    ];
    for (const [args, code, message] of said) {
      const ran = await exec(args);
      assert.match(ran.err, message);
      assert.equal(ran.code, code, ran.err);
    }
  });

  test("-t without a terminal here says so, and runs the program without one", async () => {
    const ran = await exec(["-it", "web", "--", "cat"], "typed\n");
    assert.equal(ran.out, "typed\n");
    assert.match(ran.err, /no terminal/);
  });

  test("Ctrl-C ends it", async () => {
    const running = start(world.lisbon, ["app", "exec", "-i", "web", "--", "sh", "-c", "echo there; sleep 60"], {
      keyboard: silent,
    });
    await running.until((out) => out.includes("there"));
    running.interrupt();
    assert.equal((await running.ended).code, exitCode.interrupted);
  });

  test("a token that is none opens no session", async () => {
    const ran = await run(world.lisbon, ["app", "exec", "web", "--", "true"], { token: "flt_of-nobody" });
    assert.equal(ran.code, exitCode.denied);
    assert.match(ran.err, /does not know the token/);
    assert.doesNotMatch(ran.err, /flt_/);
  });

  test("both ends write down who ran what in which container, and nothing of its arguments", async () => {
    await exec(["web", "--", "echo", "s3cret-argument"]);
    const audit = async (town: World["lisbon"]) => {
      const entries = (await run(town, ["audit", "list", "-o", "json"])).out;
      assert.doesNotMatch(entries, /s3cret-argument/);
      return entries;
    };
    assert.match(await audit(world.lisbon), /"exec\.open"/);
    assert.match(await audit(world.berlin), /in container app of pod web-/);
  });
});

/** Nobody types. */
const silent: Keyboard = {
  isTerminal: false,
  async *read(signal) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  },
  raw: () => () => {},
  size: () => undefined,
  onResize: () => () => {},
};
