/** `fairlead app cp`: files and trees from and to a container of an app, wherever that runs. */
import { basename, resolve } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Command } from "commander";
import { createFairleadClient } from "../client/index.ts";
import type { WriteFilesRequestSchema } from "../gen/fairlead/console/v1/pod_service_pb.ts";
import { namespaceOption, withSession } from "./command.ts";
import type { CliContext, Terminal } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { pack } from "./pack.ts";
import { unpack } from "./unpack.ts";

interface CopyOptions {
  readonly namespace?: string;
  readonly container?: string;
  readonly pod?: string;
  readonly peer?: string;
}

export function addAppCopy(app: Command, context: CliContext): void {
  const { terminal } = context;
  const copy = app
    .command("cp <from> <to>")
    .description("copy files and directories from a container (NAME:/path) or to one; the container needs tar and sh")
    .addOption(namespaceOption())
    .option("-c, --container <name>", "the container; by default the app's own")
    .option("--pod <name>", "the pod; by default one that is ready")
    .option("--peer <name>", "the peer, for an app that runs at several");
  copy.action((from: string, to: string, options: CopyOptions) => {
    const way = readWay(from, to);
    return withSession(copy, context, async (connection, session, signal) => {
      const app = { namespace: options.namespace ?? connection.namespace, name: way.remote.app };
      const { pod = "", container = "", peer = "" } = options;
      const target = { app, pod, container, peer };
      const { pods } = createFairleadClient({ transport: session.transport });
      const progress = new Progress(terminal);
      // Who leaves before the end has heard enough.
      const left = new AbortController();
      const call = { signal: AbortSignal.any([signal, left.signal]) };
      try {
        if (way.direction === "from") {
          const answers = pods.readFiles({ target, path: way.remote.path }, call);
          await unpack(dataOf(answers), nameOf(way.remote.path), way.local, (bytes) => progress.add(bytes));
        } else {
          const own = basename(resolve(way.local)) || "files";
          const isDirectory = async (path: string): Promise<boolean> => {
            const looked = new AbortController();
            const looking = { signal: AbortSignal.any([call.signal, looked.signal]) };
            try {
              return await hasSomething(pods.readFiles({ target, path: `${path}/.` }, looking));
            } finally {
              looked.abort(new Error("The first piece is enough."));
            }
          };
          const { directory, name } = await placeIn(way.remote.path, own, isDirectory);
          let failure: unknown;
          const skipped = (path: string): void =>
            terminal.err(`${path} is left out: it is neither file, directory nor link\n`);
          const archive = pack(way.local, name, skipped, (bytes) => progress.add(bytes));
          const requests = toRequests({ target, directory }, archive, (error) => {
            failure = error;
          });
          await pods.writeFiles(requests, call).catch((error: unknown) => {
            throw failure ?? error;
          });
        }
      } finally {
        progress.end();
        left.abort(new Error("The copy is done."));
      }
    });
  });
}

type Way = {
  readonly direction: "from" | "to";
  readonly remote: { readonly app: string; readonly path: string };
  readonly local: string;
};

/** One of the two is at a container, as in "shop:/var/data"; a file with a colon in its name is written "./a:b". */
function readWay(from: string, to: string): Way {
  const [theirs, ours] = [readRemote(from), readRemote(to)];
  if (theirs && !ours) return { direction: "from", remote: theirs, local: to };
  if (ours && !theirs) return { direction: "to", remote: ours, local: from };
  throw new CliError("one of the two must be in a container, as in NAME:/path, and the other here", {
    code: exitCode.usage,
    hint: "fairlead app cp shop:/var/data ./data",
  });
}

function readRemote(text: string): Way["remote"] | undefined {
  const [, app, path] = /^([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?):(.+)$/s.exec(text) ?? [];
  return app && path ? { app, path } : undefined;
}

/** Of what the archive holds; "." for all that is in a directory. */
function nameOf(path: string): string {
  const name = path.replace(/\/+$/, "").split("/").at(-1) ?? "";
  return name === "" || name === ".." ? "." : name;
}

/**
 * As cp(1) has it: into a directory, when the path is one there or ends with a slash; else what is copied gets the last part of the path for
 * its name.
 */
async function placeIn(
  path: string,
  own: string,
  isDirectory: (path: string) => Promise<boolean>,
): Promise<{ directory: string; name: string }> {
  if (path.endsWith("/") || /(^|\/)\.\.?$/.test(path) || (await isDirectory(path)))
    return { directory: path, name: own };
  const at = path.lastIndexOf("/");
  return { directory: at < 0 ? "." : path.slice(0, at) || "/", name: path.slice(at + 1) };
}

/**
 * Whether an archive of it begins: the first piece is enough. What goes wrong in looking will go wrong in copying too, and is told then, but that the
 * path is no directory.
 */
async function hasSomething(answers: Parameters<typeof dataOf>[0]): Promise<boolean> {
  try {
    for await (const _ of dataOf(answers)) return true;
    return false;
  } catch (error) {
    if (error instanceof ConnectError && error.code === Code.Aborted) return false;
    throw error;
  }
}

async function* dataOf(
  answers: AsyncIterable<{
    event: { case: "data"; value: Uint8Array } | { case: "started" | undefined; value?: unknown };
  }>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { event } of answers) if (event.case === "data") yield event.value;
}

type WriteStart = Extract<
  NonNullable<MessageInitShape<typeof WriteFilesRequestSchema>["event"]>,
  { case: "start" }
>["value"];

/** `failed` is told what went wrong here, since the call itself will only say that it was cancelled. */
async function* toRequests(
  start: WriteStart,
  archive: AsyncIterable<Uint8Array>,
  failed: (error: unknown) => void,
): AsyncGenerator<MessageInitShape<typeof WriteFilesRequestSchema>, void, undefined> {
  yield { event: { case: "start", value: start } };
  try {
    for await (const value of archive) yield { event: { case: "data", value } };
  } catch (error) {
    failed(error);
    throw error;
  }
}

/** How much has passed, on a terminal, a few times a second. */
class Progress {
  readonly #terminal: Terminal;
  #bytes = 0;
  #shownAt = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    const now = performance.now();
    if (!this.#terminal.interactive || now - this.#shownAt < 200) return;
    this.#shownAt = now;
    this.#show("");
  }

  end(): void {
    if (this.#shownAt > 0) this.#show("\n");
  }

  #show(after: string): void {
    this.#terminal.err(`\r${(this.#bytes / 1_048_576).toFixed(1)} MiB${after}`);
  }
}
