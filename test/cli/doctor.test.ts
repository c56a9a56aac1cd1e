/** `fairlead doctor`, between two agents and without one. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { CliError, exitCode } from "../../src/cli/errors.ts";
import { runCli } from "../../src/cli/program.ts";
import { Finding_Level, FindingSchema } from "../../src/gen/fairlead/console/v1/doctor_service_pb.ts";
import { pair, run, startWorld, testContext, type World } from "./world.ts";

interface Found {
  level: string;
  subject: string;
  check: string;
  summary: string;
}

suite("fairlead doctor", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    await pair(world, "apps");
  });
  after(() => world[Symbol.asyncDispose]());

  const examine = async (args: string[]): Promise<{ code: number; items: Found[] }> => {
    const { code, out, err } = await run(world.lisbon, ["doctor", ...args, "-o", "json"]);
    assert.notEqual(out, "", err);
    return { code, items: JSON.parse(out).items };
  };
  const levelsOf = (items: Found[], subject: string) =>
    Object.fromEntries(items.filter((item) => item.subject === subject).map(({ check, level }) => [check, level]));

  test("finds a peer well, from this program to the agent behind its URL", async () => {
    const { code, items } = await examine(["berlin"]);
    assert.deepEqual(levelsOf(items, "cli"), { version: "ok", clock: "ok" });
    const { buffers, ...way } = levelsOf(items, "berlin");
    // How much this machine's kernel keeps is its own affair.
    assert.ok(buffers === "ok" || buffers === "warning");
    const well = ["link", "cut-offs", "version", "clock", "proxy", "reach", "upgrade", "identity"];
    assert.deepEqual(way, Object.fromEntries(well.map((check) => [check, "ok"])));
    assert.equal(code, 0);
  });

  test("looks into the agent itself, and remembers its peers, when none is named", async () => {
    const { code, items } = await examine([]);
    assert.equal(code, 0);
    assert.equal(levelsOf(items, "agent")["own-url"], "ok");
    assert.equal(levelsOf(items, "berlin").link, "ok");
    assert.equal(
      items.some(({ subject, check }) => subject === "berlin" && check === "reach"),
      false,
      "nobody is gone to",
    );
  });

  test("says of a peer that there is none, and of a peer and a URL that it is one or the other", async () => {
    assert.equal((await run(world.lisbon, ["doctor", "porto"])).code, exitCode.notFound);
    assert.equal((await run(world.lisbon, ["doctor", "berlin", "--url", "ws://x/link"])).code, exitCode.usage);
  });

  test("tells of another version of this program", async () => {
    const { out } = await run(world.lisbon, ["doctor"]);
    assert.match(out, /^IS +ABOUT +CHECK +FINDING\nok +cli +version /);
  });

  test("ends with 1 and says what would help when the peer is gone", async () => {
    await world.berlin.agent.close();
    const { code, out, err } = await run(world.lisbon, ["doctor", "berlin"]);
    assert.equal(code, exitCode.failed, out);
    assert.match(
      out,
      /problem +berlin +reach +127\.0\.0\.1 port \d+ cannot be reached: nothing listens there\n +seen: .*ECONNREFUSED.*\n +try: /,
    );
    assert.match(err, /^error: \d problems? found/);
  });
});

test("without an agent the finding is that there is none, with the code for that", async () => {
  const connect = (): Promise<never> =>
    Promise.reject(
      new CliError("the agent cannot be found: no kubeconfig", { code: exitCode.unavailable, hint: "--server URL" }),
    );
  const { code, out } = await run(undefined, ["doctor"], { connect });
  assert.equal(code, exitCode.unavailable);
  assert.match(out, /problem +cli +reach +the agent cannot be found: no kubeconfig\n +try: +--server URL; .*--url URL/);
});

test("a URL is looked at from this machine, with no agent, and a warning alone is no failure", async () => {
  const look = (level: Finding_Level) =>
    async function* (url: string) {
      yield create(FindingSchema, {
        level,
        subject: "here",
        check: "reach",
        summary: `about ${url}\n`,
        remedy: "wait",
      });
    };
  const outcome = async (level: Finding_Level): Promise<{ code: number; out: string }> => {
    let out = "";
    const { terminal, ...context } = testContext({ lookAtUrl: look(level) });
    const code = await runCli(["doctor", "--url", "wss://west/link"], {
      ...context,
      terminal: {
        ...terminal,
        out: (text) => {
          out += text;
        },
      },
    });
    return { code, out };
  };
  assert.deepEqual(await outcome(Finding_Level.WARNING), {
    code: 0,
    out: "IS        ABOUT      CHECK       FINDING\nwarning   here       reach       about wss://west/link\n          try:  wait\n",
  });
  assert.equal((await outcome(Finding_Level.PROBLEM)).code, exitCode.failed);
  assert.equal((await outcome(Finding_Level.OK)).code, 0);
});
