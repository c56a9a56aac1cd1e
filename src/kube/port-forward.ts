/**
 * One connection to a port of a pod, through the API server, as a plain `Duplex`.
 *
 * Kubernetes' own protocol has one limit: it knows no half-close. When our side has ended its writing the connection stays
 * open for the answer, and the pod does not hear of that end.
 */
import { Duplex, Readable, Writable } from "node:stream";
import type { KubeConfig, PortForward } from "@kubernetes/client-node";
import { startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { type Attempt, fromTransport, KubeError, timedOut } from "./errors.ts";
import type { ObjectRef } from "./object.ts";
import { cancellable, checkPodName, handshakeMs, refusedUpgrade } from "./pod-upgrade.ts";

type Socket = Exclude<Awaited<ReturnType<PortForward["portForward"]>>, () => unknown>;

/** Resolves when the API server has accepted; that the pod does not listen shows as an error of the stream. */
export async function openPortForward(
  deps: { config: KubeConfig; server: string; clock: Clock },
  ref: ObjectRef,
  port: number,
  signal: AbortSignal,
): Promise<Duplex> {
  const { config, server, clock } = deps;
  const attempt: Attempt = { what: `forward port ${port} of Pod ${ref.namespace}/${ref.name}`, server };
  checkPodName(ref);
  signal.throwIfAborted();
  const library = await import("@kubernetes/client-node");
  const stream = new ForwardedPort(attempt);
  const dialing = startDeadline(clock, handshakeMs, () => timedOut(attempt, handshakeMs), signal);
  try {
    const socket = await new library.PortForward(cancellable(config, dialing.signal)).portForward(
      ref.namespace ?? "",
      ref.name,
      [port],
      stream.answers,
      stream.complaints,
      silence(),
    );
    if (typeof socket === "function") throw new TypeError("The client library gave no socket.");
    stream.attach(socket);
    if (stream.failure) throw stream.failure;
    return stream;
  } catch (error) {
    stream.destroy();
    throw dialing.signal.aborted ? dialing.signal.reason : refusedUpgrade(attempt, error, "`create` pods/portforward");
  } finally {
    dialing.cancel();
  }
}

class ForwardedPort extends Duplex {
  /** Where the client library puts what the pod sends, and what the kubelet has to say about it. */
  readonly answers: Writable;
  readonly complaints: Writable;
  readonly #attempt: Attempt;
  #socket: Socket | undefined;
  #failure: Error | undefined;

  constructor(attempt: Attempt) {
    super({ allowHalfOpen: true });
    this.#attempt = attempt;
    this.answers = sink((chunk) => {
      if (chunk.length > 0 && !this.destroyed && !this.push(chunk)) this.#socket?.pause();
    });
    this.complaints = sink((chunk) => {
      if (chunk.length > 0) this.#fail(broken(attempt, chunk.toString("utf8").trim()));
    });
  }

  /** Why it is of no use, if it is. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Not at once: bad news may come together with the acceptance, before anybody can listen for errors. */
  #fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    setImmediate(() => this.destroy(error));
  }

  attach(socket: Socket): void {
    this.#socket = socket;
    socket.on("error", (error) => this.#fail(fromTransport(this.#attempt, error)));
    socket.on("close", (code) => {
      // 1000 and 1005 are orderly ends; anything else, 1006 above all, is a connection that broke.
      if (code !== 1000 && code !== 1005) this.#fail(broken(this.#attempt, `it broke (WebSocket code ${code})`));
      if (!this.#failure) this.push(null);
    });
    if (this.readableLength > this.readableHighWaterMark) socket.pause();
  }

  override _read(): void {
    this.#socket?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const framed = Buffer.allocUnsafe(chunk.length + 1);
    framed[0] = dataChannel;
    chunk.copy(framed, 1);
    this.#socket?.send(framed, (error) => done(error ? fromTransport(this.#attempt, error) : null));
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // When all was read the other end has closed already. Before that nobody wants the rest, which may be long.
    this.#socket?.terminate();
    done(error);
  }
}

/** Of the two channels of the one port, the one that carries bytes; the other carries the kubelet's errors. */
const dataChannel = 0;

function sink(take: (chunk: Buffer) => void): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      take(chunk);
      done();
    },
  });
}

/** The client library would send what it reads here without asking whether there is room, so it reads nothing. */
function silence(): Readable {
  return new Readable({ read: () => undefined });
}

function broken(attempt: Attempt, why: string): KubeError {
  return new KubeError({ status: 0, reason: "Cut", message: `Could not ${attempt.what}: ${why}.` });
}
