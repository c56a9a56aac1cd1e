/** `fairlead app exec -it`: somebody sits at a terminal here, and a shell runs at one there. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { Queue } from "../../src/base/queue.ts";
import type { Keyboard } from "../../src/cli/context.ts";
import { type CutProxy, openCutProxy } from "../e2e/cut-proxy.ts";
import { until } from "../patience.ts";
import { allowPods, type Running, start, startWorldWithWeb, type World } from "./world.ts";

suite("fairlead app exec -it", { timeout: 120_000 }, () => {
  let world: World;
  let way: CutProxy;
  before(async () => {
    world = await startWorldWithWeb();
    await allowPods(world.berlin, "lisbon");
    way = await openCutProxy({ host: "127.0.0.1", port: Number(new URL(world.lisbon.consoleUrl).port) });
  });
  after(async () => {
    way.close();
    await world[Symbol.asyncDispose]();
  });

  /** A shell at a terminal of 80 by 24, with its prompt shown. */
  async function sit(): Promise<Seat> {
    const seat = new Seat();
    const server = ["--server", `http://127.0.0.1:${way.port}`];
    seat.running = start(world.lisbon, [...server, "app", "exec", "-it", "web", "--", "sh"], { keyboard: seat });
    await seat.shows("/ # ");
    return seat;
  }

  test("shows what is typed and what comes of it, and ends with the shell's exit code and the terminal as it was", async () => {
    const seat = await sit();
    assert.ok(seat.isRaw);
    seat.type("tty\r");
    await seat.shows("tty\r\n/dev/pts/0\r\n/ # ");
    seat.type("exit 7\r");
    assert.equal((await seat.running?.ended)?.code, 7);
    assert.ok(!seat.isRaw);
  });

  test("tells the size at the start, and each new one", async () => {
    const seat = await sit();
    seat.type("stty size\r");
    await seat.shows("24 80\r\n/ # ");
    seat.resize(120, 40);
    // The size and what is typed next go their ways in one order.
    seat.type("stty size\r");
    await seat.shows("40 120\r\n/ # ");
    seat.type("exit\r");
    assert.equal((await seat.running?.ended)?.code, 0);
  });

  test("lets Ctrl-C end the program there and nothing here, also when the connection was cut meanwhile", async () => {
    const seat = await sit();
    seat.type("sleep 600\r");
    await seat.shows("sleep 600\r\n");
    await until("there is a connection to cut", () => way.cut() > 0);
    seat.type("\u0003");
    await seat.shows("^C\r\n/ # ");
    seat.type("echo still here\r");
    await seat.shows("\nstill here\r\n/ # ");
    // Ctrl-D.
    seat.type("\u0004");
    const ended = await seat.running?.ended;
    assert.equal(ended?.err, "");
    assert.ok(!seat.isRaw);
  });
});

/** Somebody at a terminal. */
class Seat implements Keyboard {
  readonly isTerminal = true;
  running: Running | undefined;
  isRaw = false;
  readonly #keys = new Queue<Uint8Array>(100);
  #size = { columns: 80, rows: 24 };
  #resized = (): void => undefined;
  #read = 0;

  type(text: string): void {
    this.#keys.push(Buffer.from(text));
  }

  resize(columns: number, rows: number): void {
    this.#size = { columns, rows };
    this.#resized();
  }

  /** Waits until that is shown behind all that was waited for before. */
  async shows(text: string): Promise<void> {
    await this.running?.until((out) => out.indexOf(text, this.#read) >= 0);
    this.#read = (this.running?.out().indexOf(text, this.#read) ?? 0) + text.length;
  }

  async *read(signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    signal.addEventListener("abort", () => this.#keys.close(), { once: true });
    yield* this.#keys;
  }

  raw(): () => void {
    this.isRaw = true;
    return () => {
      this.isRaw = false;
    };
  }

  size(): { columns: number; rows: number } {
    return this.#size;
  }

  onResize(fn: () => void): () => void {
    this.#resized = fn;
    return () => undefined;
  }
}
