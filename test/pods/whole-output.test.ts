import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { suite, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import type { ProgramEvent } from "../../src/kube/exec.ts";
import { markingScript, wholeOutput } from "../../src/pods/whole-output.ts";

const mark = "0123456789abcdef";

/** A program whose output comes in these pieces, and that ends when it is told to, or when `exits` says. */
async function run(pieces: readonly Uint8Array[], exit: { code: number; waits: boolean } = { code: 0, waits: true }) {
  const told = Promise.withResolvers<void>();
  let said = "";
  async function* events(): AsyncGenerator<ProgramEvent> {
    for (const data of pieces) yield { kind: "output", data };
    if (exit.waits) await told.promise;
    yield { kind: "exit", code: exit.code, message: "" };
  }
  const program = {
    events: events(),
    async write(data: Uint8Array) {
      said += Buffer.from(data).toString();
      told.resolve();
    },
  };
  const output: Uint8Array[] = [];
  let code: number | undefined;
  for await (const event of wholeOutput(program, mark)) {
    if (event.kind === "output") output.push(event.data);
    else if (event.kind === "exit") code = event.code;
  }
  return { output: Buffer.concat(output), code, said };
}

/** Cuts it at these places. */
function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [...new Set(at.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...places, bytes.length].map((end, index) => bytes.subarray(places[index - 1] ?? 0, end));
}

suite("a program's whole output", () => {
  test("comes without the mark, however it is cut, and only then may the program end", async () => {
    const likeIt = fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(mark, mark.slice(3), mark.slice(0, 5)));
    await fc.assert(
      fc.asyncProperty(fc.array(likeIt, { maxLength: 4 }), fc.array(fc.nat(), { maxLength: 12 }), async (parts, at) => {
        const bytes = Buffer.concat(parts.map((part) => Buffer.from(part)));
        // A piece that ends with the mark before the end is nothing that a program can make by chance.
        fc.pre(!bytes.toString("latin1").includes(mark));
        const { output, code, said } = await run(cut(Buffer.concat([bytes, Buffer.from(mark)]), at));
        assert.deepEqual(output, bytes);
        assert.equal(code, 0);
        assert.equal(said, "\n");
      }),
    );
  });

  test("of which the end is missing is an error, however well the program is said to have ended", async () => {
    const lost = run([Buffer.from("half of it"), Buffer.from(mark.slice(0, -1))], { code: 0, waits: false });
    await assert.rejects(lost, (error) => error instanceof ConnectError && error.code === Code.DataLoss);
  });

  test("of a program that fails is not waited for", async () => {
    assert.equal((await run([Buffer.from("half")], { code: 2, waits: false })).code, 2);
  });

  test("is marked by a script that real shells understand, and that ends as the command did", () => {
    const shell = (command: string): string =>
      execFileSync("sh", ["-c", `${markingScript(command)}`, mark, "a file's name"], { input: "\n" }).toString();
    assert.equal(shell('printf %s "$1"'), `a file's name${mark}`);
    assert.throws(() => shell('test "$1" = other'), { status: 1, stdout: Buffer.from(mark) });
  });
});
