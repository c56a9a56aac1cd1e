import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Queue } from "../../src/base/queue.ts";
import { type ExecRequest, ExecRequestSchema, type ExecResponse } from "../../src/gen/fairlead/peer/v1/pods_pb.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { runProgram } from "../../src/pods/use-pod.ts";
import { Reason } from "../../src/wire/reason.ts";
import { Priority } from "../../src/wire/scheduler.ts";
import { until } from "../patience.ts";
import { fingerprint, openPrograms, type PlayedProgram, podNamed } from "./program-world.ts";

type World = Awaited<ReturnType<typeof openPrograms>>;
type Event = NonNullable<MessageInitShape<typeof ExecRequestSchema>["event"]>;

/** A conversation with one program: what is sent, and what has come. */
function converse(
  at: World,
  o: { tty?: boolean; input?: boolean; pod?: string; name?: string; container?: string } = {},
) {
  const { tty = false, input = true, pod = "", name = "web", container = "" } = o;
  const requests = new Queue<ExecRequest>(100);
  const send = (event: Event): void => void requests.push(create(ExecRequestSchema, { event }));
  const target = { namespace: "shop", name, pod, container };
  send({
    case: "start",
    value: { target, command: ["sh", "-c", "s3cret"], input, tty, size: { columns: 80, rows: 24 } },
  });
  const seen: string[] = [];
  const stop = new AbortController();
  const by = { app: { namespace: "shop", name }, person: "ada" };
  const ended = (async () => {
    for await (const response of runProgram(at.origin, by, requests, stop.signal)) seen.push(show(response));
  })();
  ended.catch(() => undefined);
  return { send, end: () => requests.close(), seen, ended, stop };
}

function show({ event }: ExecResponse): string {
  if (event.case === "started") return `started ${event.value.pod}/${event.value.container}`;
  if (event.case === "exit") return `exit ${event.value.code} ${event.value.message}`.trim();
  return `${event.case} ${Buffer.from(event.value ?? []).toString()}`;
}

async function played(at: World, count = 1): Promise<PlayedProgram> {
  await until("the program was started", () => at.programs.length >= count);
  const program = at.programs.at(-1);
  assert.ok(program);
  return program;
}

async function refusal(ended: Promise<void>): Promise<ConnectError> {
  const error: unknown = await ended.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConnectError, String(error));
  return error;
}

suite("a program in a pod at a peer", () => {
  test("is started where it was asked for, prints, and ends with its code; input and sizes reach it", async () => {
    await using at = await openPrograms();
    const talk = converse(at, { tty: true });
    const program = await played(at);
    assert.deepEqual(program.options, { command: ["sh", "-c", "s3cret"], input: true, tty: true, container: "app" });
    talk.send({ case: "input", value: Buffer.from("ls\n") });
    talk.send({ case: "size", value: { columns: 120, rows: 40 } });
    await until("the size has come", () => program.sizes.length === 2);
    assert.deepEqual(program.sizes, ["80x24", "120x40"]);
    program.say("a b\n");
    program.say("oops", "error-output");
    program.exit(3);
    await talk.ended;
    assert.equal(Buffer.concat(program.written).toString(), "ls\n");
    assert.deepEqual(talk.seen, ["started web-1/app", "output a b\n", "errorOutput oops", "exit 3"]);
    assert.deepEqual(at.priorities, [Priority.INTERACTIVE], "a keystroke does not wait behind bulk");
  });

  for (const [how, end] of [
    ["by a message", (talk: ReturnType<typeof converse>) => talk.send({ case: "endOfInput", value: {} })],
    ["with the requests", (talk: ReturnType<typeof converse>) => talk.end()],
  ] as const) {
    test(`hears the end of its input ${how}, and prints on`, async () => {
      await using at = await openPrograms();
      const talk = converse(at);
      const program = await played(at);
      end(talk);
      await until("its input has ended", () => program.inputEnded);
      program.say("still here");
      program.exit(0);
      await talk.ended;
      assert.deepEqual(talk.seen.slice(1), ["output still here", "exit 0"]);
    });
  }

  test("without input hears of none, whatever is sent", async () => {
    await using at = await openPrograms();
    const talk = converse(at, { input: false });
    const program = await played(at);
    talk.send({ case: "input", value: Buffer.from("x") });
    talk.send({ case: "size", value: { columns: 1, rows: 1 } });
    await until("what was sent before has come", () => program.sizes.length > 0);
    talk.end();
    program.exit(0);
    await talk.ended;
    assert.deepEqual([program.written, program.inputEnded], [[], false]);
  });

  test("whose input cannot end says why", async () => {
    await using at = await openPrograms();
    at.play = (program) => {
      program.endless = new KubeError({ status: 0, reason: "Unsupported", message: "The API server is too old." });
    };
    const talk = converse(at);
    await played(at);
    talk.end();
    const error = await refusal(talk.ended);
    assert.deepEqual([error.code, error.rawMessage], [Code.FailedPrecondition, "The API server is too old."]);
  });

  test("ends when who runs it leaves", async () => {
    await using at = await openPrograms();
    const talk = converse(at);
    const program = await played(at);
    await until("it runs", () => talk.seen.length === 1);
    talk.stop.abort();
    await until("it is closed", () => program.closed);
  });

  test("whose connection breaks inside the cluster ends with an error and no exit code", async () => {
    await using at = await openPrograms();
    const talk = converse(at);
    const program = await played(at);
    program.say("half");
    program.events.close(new KubeError({ status: 0, reason: "Cut", message: "10.0.0.7 went away" }));
    const error = await refusal(talk.ended);
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.rawMessage, /broke inside the peer's cluster/);
    assert.doesNotMatch(error.rawMessage, /10\.0/);
    assert.deepEqual(talk.seen, ["started web-1/app", "output half"]);
  });

  test("ends with the link, in so many words", async () => {
    await using at = await openPrograms();
    const talk = converse(at);
    await played(at);
    await until("it runs", () => talk.seen.length === 1);
    at.pair.high.close({ reason: Reason.SHUTDOWN, message: "The host is gone." });
    const error = await refusal(talk.ended);
    assert.equal(error.code, Code.Unavailable);
  });

  test("is refused, and the rule named and written down at both ends, when no policy allows it", async () => {
    await using at = await openPrograms();
    at.permission = (use) =>
      use === "exec" ? { allowed: false, rule: "pods/exec", message: "No policy lets you." } : { allowed: true };
    const error = await refusal(converse(at).ended);
    assert.deepEqual([error.code, error.rawMessage], [Code.PermissionDenied, "No policy lets you. (rule: pods/exec)"]);
    assert.equal(at.programs.length, 0);
    for (const [entry] of [at.audited.host, at.audited.origin]) {
      assert.deepEqual([entry?.action, entry?.verdict, entry?.rule], ["exec.open", "denied", "pods/exec"]);
    }
  });

  test("of another's app is none", async () => {
    await using at = await openPrograms();
    at.caller.fingerprint = "0b".repeat(32);
    const error = await refusal(converse(at).ended);
    assert.equal(error.code, Code.NotFound);
    assert.equal(at.programs.length, 0);
  });

  test("ends at once when its right is taken back, and both ends write that down, and never its arguments", async () => {
    await using at = await openPrograms();
    const talk = converse(at);
    const program = await played(at);
    await until("it runs", () => talk.seen.length === 1);
    at.uses.review(() => at.caller);
    assert.equal(program.closed, false, "a review that changes nothing ends nothing");
    at.permission = () => ({ allowed: false, rule: "pods/exec", message: "Not any more." });
    at.uses.review(() => at.caller, fingerprint);
    const error = await refusal(talk.ended);
    assert.match(error.rawMessage, /Not any more. \(rule: pods\/exec\)/);
    await until("it is closed", () => program.closed);
    for (const entries of [at.audited.host, at.audited.origin]) {
      assert.deepEqual(
        entries.map(({ action, verdict }) => `${action} ${verdict}`),
        ["exec.open allowed", "exec.revoke done"],
      );
      assert.doesNotMatch(JSON.stringify(entries), /s3cret/);
    }
    assert.equal(at.audited.host[0]?.message, "sh in container app of pod web-1.");
    assert.equal(at.audited.origin[0]?.actor.person, "ada");
    assert.equal(at.audited.origin[0]?.correlation, at.audited.host[0]?.correlation);
  });

  test("is one of 64 that a peer may have at a time", async () => {
    await using at = await openPrograms();
    const talks = Array.from({ length: 64 }, () => converse(at));
    await played(at, 64);
    const error = await refusal(converse(at).ended);
    assert.deepEqual([error.code, at.audited.host.at(-1)?.rule], [Code.ResourceExhausted, "exec/limit"]);
    at.programs[0]?.exit(0);
    await Promise.race(talks.map(({ ended }) => ended));
    const again = converse(at);
    await played(at, 65);
    again.stop.abort();
  });

  test("needs a right of the agent's own, which is named with where to give it", async () => {
    await using at = await openPrograms();
    at.failure = new KubeError({ status: 403, reason: "Forbidden", message: "no" });
    const error = await refusal(converse(at).ended);
    assert.equal(error.code, Code.FailedPrecondition);
    assert.match(error.rawMessage, /"pods\/exec" in the namespace fairlead-peer-here/);
    assert.equal(at.audited.host[0]?.verdict, "failed");
  });
});

suite("the container that is meant", () => {
  const startedAt = async (at: World, o: Parameters<typeof converse>[1] = {}): Promise<string> => {
    const talk = converse(at, o);
    const before = at.programs.length;
    await Promise.race([until("it runs", () => at.programs.length > before), talk.ended]);
    at.programs.at(-1)?.exit(0);
    await talk.ended;
    return talk.seen[0] ?? "";
  };

  test("is the app's own in a pod that is ready, before one that is not, before one that leaves", async () => {
    await using at = await openPrograms();
    at.pods.splice(0, 1, podNamed("leaving", { ready: false, leaving: true }));
    assert.equal(await startedAt(at), "started leaving/app");
    at.pods.push(podNamed("starting", { ready: false }));
    assert.equal(await startedAt(at), "started starting/app");
    at.pods.push(podNamed("ready"));
    assert.equal(await startedAt(at), "started ready/app");
    assert.equal(await startedAt(at, { pod: "starting", container: "side" }), "started starting/side");
  });

  for (const [what, o, code, message] of [
    ["a pod that is not there", { pod: "web-9" }, Code.NotFound, /no pod "web-9"; it has web-1/],
    ["a container that is not there", { container: "db" }, Code.NotFound, /no container "db"; they have app, side/],
    ["a container that does not run", { container: "side" }, Code.FailedPrecondition, /None of the app's pods runs/],
  ] as const) {
    test(`is not guessed: ${what}`, async () => {
      await using at = await openPrograms();
      at.pods.splice(0, 1, podNamed("web-1", { running: ["app"] }));
      const error = await refusal(converse(at, o).ended);
      assert.equal(error.code, code);
      assert.match(error.rawMessage, message);
    });
  }
});
