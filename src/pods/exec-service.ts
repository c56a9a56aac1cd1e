/** `PodService.Exec` for peers: programs in the containers of what they run here. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type ExecRequest,
  type ExecResponse,
  ExecResponseSchema,
  type TerminalSize,
} from "../gen/fairlead/peer/v1/pods_pb.ts";
import type { ProgramEvent, RunningProgram } from "../kube/exec.ts";
import { firstOf } from "./first-message.ts";
import { type StartProgramDeps, startProgram, whyNot } from "./start-program.ts";
import type { PodUses, UseActions, UseContext } from "./uses.ts";

export interface ExecServiceDeps extends StartProgramDeps {
  readonly uses: Pick<PodUses, "admit">;
}

/** Each costs a connection to the API server. */
const running: UseActions = {
  use: "exec",
  open: "exec.open",
  revoke: "exec.revoke",
  tooMany: (most) => `You run ${most} programs in pods here already. End some of them.`,
  most: 64,
};

/** Makes the handler of `Exec`. */
export function createExec(
  deps: ExecServiceDeps,
): (requests: AsyncIterable<ExecRequest>, context: UseContext) => AsyncGenerator<ExecResponse, void, undefined> {
  return async function* exec(requests, context) {
    const { first, rest } = await firstOf(requests);
    if (first?.event.case !== "start" || !first.event.value.target) {
      throw new ConnectError("The first message must say what to run, and where.", Code.InvalidArgument);
    }
    const { target, command, input, tty, size } = first.event.value;
    const use = deps.uses.admit(running, target, context);
    let program: RunningProgram | undefined;
    /** What was wrong with its input, which has ended it. */
    let unfed: unknown;
    const close = (): void => program?.close();
    context.signal.addEventListener("abort", close, { once: true });
    try {
      const started = await startProgram(deps, use.app, target, { command, input, tty }, context.signal);
      const { pod, container } = started;
      program = started.program;
      // The arguments may hold secrets, and are nobody's business who reads the record.
      use.note({ verdict: "allowed", message: `${command[0]} in container ${container} of pod ${pod}.` });
      yield say({ case: "started", value: { pod, container } });
      if (tty && size) await resize(program, size);
      const { events } = program;
      void feed(program, rest, input).catch((error: unknown) => {
        unfed = error;
        close();
      });
      for await (const event of events) yield toResponse(event);
    } catch (error) {
      context.signal.throwIfAborted();
      const failure = whyNot(use.app.namespace, unfed ?? error);
      if (!program) use.note({ verdict: "failed", message: failure.rawMessage });
      throw failure;
    } finally {
      context.signal.removeEventListener("abort", close);
      close();
      use.done();
    }
  };
}

/** What comes of the caller goes to the program. */
async function feed(program: RunningProgram, requests: AsyncIterable<ExecRequest>, input: boolean): Promise<void> {
  let open = input;
  const end = async (): Promise<void> => {
    if (!open) return;
    open = false;
    await program.endInput();
  };
  for await (const { event } of requests) {
    if (event.case === "input" && open) await program.write(event.value);
    else if (event.case === "endOfInput") await end();
    else if (event.case === "size") await resize(program, event.value);
  }
  await end();
}

function resize(program: RunningProgram, { columns, rows }: TerminalSize): Promise<void> {
  return program.resize(columns, rows);
}

function toResponse(event: ProgramEvent): ExecResponse {
  switch (event.kind) {
    case "output":
      return say({ case: "output", value: event.data });
    case "error-output":
      return say({ case: "errorOutput", value: event.data });
    case "exit":
      return say({ case: "exit", value: { code: event.code, message: event.message } });
  }
}

function say(event: NonNullable<MessageInitShape<typeof ExecResponseSchema>["event"]>): ExecResponse {
  return create(ExecResponseSchema, { event });
}
