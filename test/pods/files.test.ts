import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Queue } from "../../src/base/queue.ts";
import {
  ReadFilesRequestSchema,
  type WriteFilesRequest,
  WriteFilesRequestSchema,
} from "../../src/gen/fairlead/peer/v1/pods_pb.ts";
import { packCommand, unpackCommand } from "../../src/pods/tar-command.ts";
import { readFiles, writeFiles } from "../../src/pods/use-pod.ts";
import { Priority } from "../../src/wire/scheduler.ts";
import { until } from "../patience.ts";
import { openPrograms, type PlayedProgram } from "./program-world.ts";

type World = Awaited<ReturnType<typeof openPrograms>>;
const by = { app: { namespace: "shop", name: "web" }, person: "ada" };
const target = { namespace: "shop", name: "web" };
const never = new AbortController().signal;

async function read(at: World, path: string): Promise<string[]> {
  const seen: string[] = [];
  for await (const { event } of readFiles(at.origin, by, create(ReadFilesRequestSchema, { target, path }), never)) {
    seen.push(event.case === "started" ? `started ${event.value.pod}` : Buffer.from(event.value ?? []).toString());
  }
  return seen;
}

function write(at: World, directory: string) {
  const requests = new Queue<WriteFilesRequest>(10);
  requests.push(create(WriteFilesRequestSchema, { event: { case: "start", value: { target, directory } } }));
  const send = (text: string): void =>
    void requests.push(create(WriteFilesRequestSchema, { event: { case: "data", value: Buffer.from(text) } }));
  const stop = new AbortController();
  const done = writeFiles(at.origin, by, requests, stop.signal);
  done.catch(() => undefined);
  return { send, end: () => requests.close(), done, stop };
}

async function played(at: World): Promise<PlayedProgram> {
  await until("tar was started", () => at.programs.length > 0);
  const [program] = at.programs;
  assert.ok(program);
  return program;
}

function refused(code: Code, message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof ConnectError && error.code === code && message.test(error.rawMessage);
}

test("no path is an option of tar, and each keeps its own name", () => {
  const said: [string, string, string][] = [
    ["/var/data", "/var", "./data"],
    ["/var/data/", "/var", "./data"],
    ["/data", "/", "./data"],
    ["/", "/", "./."],
    [".", "./.", "./."],
    ["a/..", "./a/..", "./."],
    ["--checkpoint-action=exec=x", ".", "./--checkpoint-action=exec=x"],
    ["-C/x", "./-C", "./x"],
  ];
  for (const [path, directory, name] of said) {
    const [sh, c, script, mark, ...its] = packCommand(path, "m4rk");
    assert.deepEqual([sh, c, mark, ...its], ["sh", "-c", "m4rk", directory, name], path);
    assert.match(script ?? "", /^tar -cf - -C "\$1" "\$2"; /);
  }
  assert.deepEqual(unpackCommand("--to-command=x"), ["tar", "-xmof", "-", "-C", "./--to-command=x"]);
  assert.throws(() => packCommand("a\0b", "m4rk"), /NUL/);
});

suite("files of a pod at a peer", () => {
  test("come as tar gives them, without a terminal, and it ends when all has come", async () => {
    await using at = await openPrograms();
    at.play = (program) => {
      program.say("arch");
      program.say("ive");
      program.say(program.options.command[3] ?? "");
      void until("it is told that all has come", () => program.written.length > 0).then(() => program.exit(0));
    };
    assert.deepEqual((await read(at, "/var/data")).join(""), "started web-1archive");
    const [program] = at.programs;
    assert.deepEqual([program?.options.tty, program?.written.join("")], [false, "\n"]);
    assert.deepEqual(at.priorities, [Priority.NORMAL]);
    assert.equal(at.audited.host[0]?.message, "/var/data in container app of pod web-1.");
  });

  test("that tar could not read whole are an error, with what it said", async () => {
    await using at = await openPrograms();
    at.play = (program) => {
      program.say("arch");
      program.say("tar: /x: No such file", "error-output");
      program.exit(2);
    };
    await assert.rejects(read(at, "/x"), refused(Code.Aborted, /code 2: tar: \/x: No such file/));
  });

  test("of which the host's cluster lost the end are an error, though tar ended well", async () => {
    await using at = await openPrograms();
    at.play = (program) => {
      program.say("arch");
      program.exit(0);
    };
    await assert.rejects(read(at, "/var/data"), refused(Code.DataLoss, /lost the end/));
  });

  test("of a container without tar, or without sh, are not there, and that is said", async () => {
    await using at = await openPrograms();
    const says = refused(Code.FailedPrecondition, /no `tar`, or no `sh`, in the container/);
    at.play = (program) => program.exit(126, 'exec failed: "sh": executable file not found in $PATH');
    await assert.rejects(read(at, "/x"), says);
    at.play = (program) => {
      program.say("sh: tar: not found", "error-output");
      program.exit(127);
    };
    await assert.rejects(read(at, "/x"), says);
  });

  test("go to tar, to their end, and are there when it says so", async () => {
    await using at = await openPrograms();
    const writing = write(at, "/tmp");
    const program = await played(at);
    writing.send("arch");
    writing.send("ive");
    writing.end();
    await until("tar has heard the end", () => program.inputEnded);
    assert.equal(Buffer.concat(program.written).toString(), "archive");
    program.exit(0);
    assert.equal((await writing.done).pod, "web-1");
    assert.deepEqual(program.options.command.slice(-1), ["/tmp"]);
  });

  test("that tar does not take fail at once, though there is more to send", async () => {
    await using at = await openPrograms();
    const writing = write(at, "/nowhere");
    const program = await played(at);
    program.say("Cannot open", "error-output");
    program.exit(2);
    await assert.rejects(writing.done, refused(Code.Aborted, /Cannot open/));
  });

  test("of which the sender leaves in the middle never look complete: tar's connection is cut, its input not ended", async () => {
    await using at = await openPrograms();
    const writing = write(at, "/tmp");
    const program = await played(at);
    writing.send("half");
    await until("half has come", () => program.written.length > 0);
    writing.stop.abort();
    await until("it is closed", () => program.closed);
    assert.equal(program.inputEnded, false);
  });

  test("are a right of their own, which exec does not give, and ends at once when it is taken back", async () => {
    await using at = await openPrograms();
    let allowed = false;
    at.permission = (use) =>
      use !== "files" || allowed
        ? { allowed: true }
        : { allowed: false, rule: "pods/files", message: "No policy lets you." };
    await assert.rejects(read(at, "/x"), refused(Code.PermissionDenied, /rule: pods\/files/));
    await assert.rejects(write(at, "/x").done, refused(Code.PermissionDenied, /rule: pods\/files/));
    allowed = true;
    const writing = write(at, "/tmp");
    const program = await played(at);
    allowed = false;
    at.uses.review(() => at.caller);
    await assert.rejects(writing.done, refused(Code.PermissionDenied, /rule: pods\/files/));
    await until("it is closed", () => program.closed);
    assert.deepEqual(
      at.audited.host.map(({ action, verdict }) => `${action} ${verdict}`),
      ["file.read denied", "file.write denied", "file.write allowed", "file.revoke done"],
    );
  });
});
