/** `PodService.ReadFiles` and `WriteFiles` for peers: files in the containers of what they run here, by the `tar` and `sh` that are in them. */
import { randomBytes } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type ReadFilesRequest,
  type ReadFilesResponse,
  ReadFilesResponseSchema,
  type WriteFilesRequest,
  type WriteFilesResponse,
  WriteFilesResponseSchema,
} from "../gen/fairlead/peer/v1/pods_pb.ts";
import type { RunningProgram } from "../kube/exec.ts";
import { firstOf } from "./first-message.ts";
import { type StartedProgram, type StartProgramDeps, startProgram, whyNot } from "./start-program.ts";
import { Complaints, packCommand, unpackCommand } from "./tar-command.ts";
import type { AdmittedUse, PodUses, UseActions, UseContext } from "./uses.ts";
import { wholeOutput } from "./whole-output.ts";

export interface FilesServiceDeps extends StartProgramDeps {
  readonly uses: Pick<PodUses, "admit">;
}

const files = {
  use: "files",
  revoke: "file.revoke",
  tooMany: (most: number) => `You copy files from and to ${most} pods here already. Wait until one of them is done.`,
  most: 16,
} as const;
const reading: UseActions = { ...files, open: "file.read" };
const writing: UseActions = { ...files, open: "file.write" };

export interface FilesService {
  readFiles(request: ReadFilesRequest, context: UseContext): AsyncGenerator<ReadFilesResponse, void, undefined>;
  writeFiles(requests: AsyncIterable<WriteFilesRequest>, context: UseContext): Promise<WriteFilesResponse>;
}

export function createFiles(deps: FilesServiceDeps): FilesService {
  /** Starts it as that use, and ends both when `work` has ended. */
  async function* withProgram<T>(
    use: AdmittedUse,
    start: () => Promise<StartedProgram>,
    what: string,
    signal: AbortSignal,
    work: (started: StartedProgram) => AsyncGenerator<T, void, undefined>,
  ): AsyncGenerator<T, void, undefined> {
    let program: RunningProgram | undefined;
    const close = (): void => program?.close();
    signal.addEventListener("abort", close, { once: true });
    try {
      const started = await start();
      program = started.program;
      use.note({ verdict: "allowed", message: `${what} in container ${started.container} of pod ${started.pod}.` });
      yield* work(started);
    } catch (error) {
      signal.throwIfAborted();
      const failure = whyNot(use.app.namespace, error);
      if (!program) use.note({ verdict: "failed", message: failure.rawMessage });
      throw failure;
    } finally {
      signal.removeEventListener("abort", close);
      close();
      use.done();
    }
  }

  return {
    async *readFiles({ target, path }, context) {
      const { signal } = context;
      const wanted = required(target);
      // Nobody else's file can have it at its end.
      const mark = randomBytes(16).toString("hex");
      const command = packCommand(path, mark);
      const use = deps.uses.admit(reading, wanted, context);
      const start = () => startProgram(deps, use.app, wanted, { command, input: true, tty: false }, signal);
      yield* withProgram(use, start, path, signal, async function* ({ pod, container, program }) {
        yield part({ case: "started", value: { pod, container } });
        const complaints = new Complaints();
        for await (const event of wholeOutput(program, mark)) {
          if (event.kind === "output") yield part({ case: "data", value: event.data });
          else if (event.kind === "error-output") complaints.add(event.data);
          else complaints.judge(event);
        }
      });
    },

    async writeFiles(requests, context) {
      const { signal } = context;
      const { first, rest } = await firstOf(requests);
      if (first?.event.case !== "start") throw invalid("The first message must say where the files go.");
      const { target, directory } = first.event.value;
      const wanted = required(target);
      const command = unpackCommand(directory);
      const use = deps.uses.admit(writing, wanted, context);
      const start = () => startProgram(deps, use.app, wanted, { command, input: true, tty: false }, signal);
      const answers = withProgram(use, start, directory, signal, async function* ({ pod, container, program }) {
        const complaints = new Complaints();
        let unfed: unknown;
        void feed(program, rest).catch((error: unknown) => {
          unfed = error;
          program.close();
        });
        try {
          for await (const event of program.events) {
            if (event.kind === "error-output") complaints.add(event.data);
            else if (event.kind === "exit") complaints.judge(event);
          }
        } catch (error) {
          throw unfed ?? error;
        }
        yield create(WriteFilesResponseSchema, { pod, container });
      });
      for await (const answer of answers) return answer;
      throw new ConnectError("The files were not written.", Code.Internal);
    },
  };
}

async function feed(program: RunningProgram, requests: AsyncIterable<WriteFilesRequest>): Promise<void> {
  for await (const { event } of requests) {
    if (event.case === "data") await program.write(event.value);
  }
  await program.endInput();
}

function required<T>(target: T | undefined): T {
  if (target === undefined) throw invalid("The request must name an app.");
  return target;
}

function invalid(message: string): ConnectError {
  return new ConnectError(message, Code.InvalidArgument);
}

function part(event: NonNullable<MessageInitShape<typeof ReadFilesResponseSchema>["event"]>): ReadFilesResponse {
  return create(ReadFilesResponseSchema, { event });
}
