/**
 * A program that runs in a container, through the API server: Kubernetes' own protocol over a WebSocket
 * (`v5.channel.k8s.io`, or `v4` with an API server before 1.30, which cannot be told the end of the input).
 */
import { Readable, Writable } from "node:stream";
import type { Exec, KubeConfig } from "@kubernetes/client-node";
import { startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { type Attempt, fromTransport, KubeError, timedOut } from "./errors.ts";
import type { ObjectRef } from "./object.ts";
import { cancellable, checkPodName, handshakeMs, refusedUpgrade } from "./pod-upgrade.ts";
import { readExit } from "./program-exit.ts";
import { objectPath } from "./resource-kind.ts";
import { pods } from "./resources.ts";

export interface ExecOptions {
  readonly container: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** Whether it gets an input. */
  readonly input: boolean;
  /** Whether it runs at a terminal of its own; then there is no error output. */
  readonly tty: boolean;
}

export type ProgramEvent =
  | { readonly kind: "output"; readonly data: Uint8Array }
  | { readonly kind: "error-output"; readonly data: Uint8Array }
  /** Always the last. */
  | { readonly kind: "exit"; readonly code: number; readonly message: string };

export interface RunningProgram {
  /** What it prints and how it ends, in one iteration; what is not read holds the program up. Throws a `KubeError` for a break. */
  readonly events: AsyncIterable<ProgramEvent>;
  /** Resolves when the connection has taken it, so that a program that does not read holds up its writer. */
  write(data: Uint8Array): Promise<void>;
  /** There is no more input. Throws a `KubeError` when the API server is too old to be told. */
  endInput(): Promise<void>;
  /** In characters. */
  resize(columns: number, rows: number): Promise<void>;
  /** Ends the connection, and with it the program's terminal and input. */
  close(): void;
}

/** As kubectl has it; longer ones would wait in one piece. */
const mostPerMessage = 32 * 1024;
/** Bytes of output that wait for the reader before the connection is no longer read. */
const mostUnread = 256 * 1024;

const channels = { input: 0, output: 1, errorOutput: 2, status: 3, size: 4, close: 255 } as const;

/** Resolves when the API server has accepted. */
export async function openExec(
  deps: { config: KubeConfig; server: string; clock: Clock },
  ref: ObjectRef,
  options: ExecOptions,
  signal: AbortSignal,
): Promise<RunningProgram> {
  const { config, server, clock } = deps;
  const attempt: Attempt = { what: `run ${options.command[0]} in Pod ${ref.namespace}/${ref.name}`, server };
  checkPodName(ref);
  signal.throwIfAborted();
  const library = await import("@kubernetes/client-node");
  const events = new ProgramEvents(attempt);
  const dialing = startDeadline(clock, handshakeMs, () => timedOut(attempt, handshakeMs), signal);
  try {
    const { handler } = new library.Exec(cancellable(config, dialing.signal));
    // The library takes this process's own streams for the program's, and would end them with it.
    Object.assign(handler, { streams: nobodys() });
    const socket = await handler.connect(pathOf(ref, options), null, (channel, data) => {
      events.take(channel, data);
      return true;
    });
    events.attach(socket);
    return new Program(attempt, socket, events);
  } catch (error) {
    throw dialing.signal.aborted ? dialing.signal.reason : refusedUpgrade(attempt, error, "`create` pods/exec");
  } finally {
    dialing.cancel();
  }
}

type Socket = Awaited<ReturnType<Exec["handler"]["connect"]>>;

class Program implements RunningProgram {
  readonly events: ProgramEvents;
  readonly #attempt: Attempt;
  readonly #socket: Socket;

  constructor(attempt: Attempt, socket: Socket, events: ProgramEvents) {
    this.#attempt = attempt;
    this.#socket = socket;
    this.events = events;
  }

  async write(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; at += mostPerMessage) {
      await this.#send(channels.input, data.subarray(at, at + mostPerMessage));
    }
  }

  async endInput(): Promise<void> {
    if (this.#socket.protocol === "v5.channel.k8s.io") {
      await this.#send(channels.close, Buffer.from([channels.input]));
      return;
    }
    const message =
      `Could not ${this.#attempt.what} with an input that ends: the API server is older than Kubernetes 1.30 and cannot be told ` +
      "the end of an input. Run it without an input, or at a terminal.";
    throw new KubeError({ status: 0, reason: "Unsupported", message });
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#send(channels.size, Buffer.from(JSON.stringify({ Width: columns, Height: rows })));
  }

  close(): void {
    this.#socket.terminate();
  }

  /** A program that has ended takes nothing more, which is no failure: what it says at its end is told by `events`. */
  #send(channel: number, data: Uint8Array): Promise<void> {
    const framed = Buffer.allocUnsafe(data.length + 1);
    framed[0] = channel;
    framed.set(data, 1);
    return new Promise((resolve) => this.#socket.send(framed, () => resolve()));
  }
}

class ProgramEvents implements AsyncIterable<ProgramEvent> {
  readonly #attempt: Attempt;
  readonly #waiting: ProgramEvent[] = [];
  #unread = 0;
  #socket: Socket | undefined;
  #ended = false;
  #exited = false;
  #failure: KubeError | undefined;
  #wake: () => void = () => undefined;

  constructor(attempt: Attempt) {
    this.#attempt = attempt;
  }

  attach(socket: Socket): void {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (Buffer.isBuffer(data) && data.length > 0) this.take(data[0] ?? 0, data.subarray(1));
    };
    if (this.#exited) socket.close();
    else if (this.#unread > mostUnread) socket.pause();
    socket.on("error", (error) => {
      this.#failure ??= fromTransport(this.#attempt, error);
    });
    socket.on("close", (code) => {
      // However orderly it was closed: without a word on how the program ended nobody knows whether it has.
      if (!this.#exited) this.#failure ??= broken(this.#attempt, `the connection broke (WebSocket code ${code})`);
      this.#end();
    });
  }

  take(channel: number, data: Uint8Array): void {
    if (this.#exited) return;
    if (channel === channels.status) {
      const exit = readExit(Buffer.from(data).toString("utf8"));
      this.#exited = true;
      this.#put({ kind: "exit", ...exit });
      this.#socket?.resume();
      this.#socket?.close();
    } else if (data.length > 0 && (channel === channels.output || channel === channels.errorOutput)) {
      this.#unread += data.length;
      // A copy would be waste: each message has memory of its own.
      this.#put({ kind: channel === channels.output ? "output" : "error-output", data });
      if (this.#unread > mostUnread) this.#socket?.pause();
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ProgramEvent, void, undefined> {
    try {
      for (;;) {
        for (let event = this.#waiting.shift(); event; event = this.#waiting.shift()) {
          if (event.kind !== "exit") this.#read(event.data.length);
          yield event;
          if (event.kind === "exit") return;
        }
        if (this.#failure) throw this.#failure;
        if (this.#ended) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.#socket?.terminate();
    }
  }

  #put(event: ProgramEvent): void {
    this.#waiting.push(event);
    this.#wake();
  }

  #read(bytes: number): void {
    this.#unread -= bytes;
    if (this.#unread <= mostUnread && this.#socket?.isPaused) this.#socket.resume();
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }
}

/** Streams in place of this process's own. */
function nobodys(): { stdin: Readable; stdout: Writable; stderr: Writable } {
  return { stdin: new Readable(), stdout: new Writable(), stderr: new Writable() };
}

function pathOf(ref: ObjectRef, { container, command, input, tty }: ExecOptions): string {
  const query = new URLSearchParams({ container, stdin: String(input), stdout: "true", tty: String(tty) });
  // At a terminal there is one output, and the API server refuses who asks for two.
  query.set("stderr", String(!tty));
  for (const part of command) query.append("command", part);
  return `${objectPath(pods, ref, "exec")}?${query}`;
}

function broken(attempt: Attempt, why: string): KubeError {
  return new KubeError({ status: 0, reason: "Cut", message: `Could not ${attempt.what} to its end: ${why}.` });
}
