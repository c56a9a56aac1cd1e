/**
 * Shows that the simulation finds bugs: plants them in copies of the code, one at a time, and prints the table of README.md.
 * `node test/faults/simulation/plant.ts [number…]`. A place that is no longer there fails, so that the list stays true.
 */
import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Bug {
  readonly what: string;
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

const bugs: readonly Bug[] = [
  {
    what: "credit is given for bytes that have arrived and were not read",
    file: "wire/duplex.ts",
    find: "const waiting = this.readableLength;",
    put: "const waiting = 0;",
  },
  {
    what: "the credit that is owed is not taken off when it is given",
    file: "wire/credit.ts",
    find: "    this.#owed = 0;\n    this.#left += bytes;",
    put: "    this.#left += bytes;",
  },
  {
    what: "credit that arrives does not wake the stream that waits for it",
    file: "wire/stream.ts",
    find: "    this.#stalled = false;\n    if (this.sendable()) this.#owner.ready(this);",
    put: "    this.#stalled = false;",
  },
  {
    what: "a stream whose credit has been given once never asks for its turn to give more",
    file: "wire/stream.ts",
    find: "    this.creditWaiting = false;\n",
    put: "",
  },
  {
    what: "the first byte of each frame of data costs no credit",
    file: "wire/stream.ts",
    find: "this.#sendCredit.spend(size);",
    put: "this.#sendCredit.spend(size - 1);",
  },
  {
    what: "what is left of a piece that was cut for want of credit is sent from its beginning",
    file: "wire/outbox.ts",
    find: "this.#pieces[whole] = piece.subarray(missing);",
    put: "this.#pieces[whole] = piece;",
  },
  {
    what: "pieces that are written together leave in the wrong order",
    file: "wire/duplex.ts",
    find: "const pieces = chunks.map((c) => c.chunk);",
    put: "const pieces = chunks.map((c) => c.chunk).reverse();",
  },
  {
    what: "a large piece passes the small ones that were gathered before it",
    file: "wire/inbox.ts",
    find: "      this.#seal();\n      this.#pieces.push(piece);",
    put: "      this.#pieces.push(piece);",
  },
  {
    what: "an End does not wait for the data before it that has no credit",
    file: "wire/stream.ts",
    find: "      if (this.#out.bytes > 0) return bytes;\n",
    put: "",
  },
  {
    what: "a reset looks to the reader like an end",
    file: "wire/duplex.ts",
    find: "reset: (error) => void this.destroy(error),",
    put: "reset: () => void this.push(null),",
  },
  {
    what: "streams whose Open was not sent yet do not hear that the session is over",
    file: "wire/streams.ts",
    find: "    for (const stream of [...this.#byId.values(), ...this.#unsent]) this.#cut(stream, error);",
    put: "    for (const stream of [...this.#byId.values()]) this.#cut(stream, error);",
  },
  {
    what: "a stream that this end resets is not told of to the other end",
    file: "wire/streams.ts",
    find: "    this.#sendReset(stream.id, error);\n  }\n\n  #cut",
    put: "  }\n\n  #cut",
  },
  {
    what: "a stream that was reset counts as open for ever",
    file: "wire/streams.ts",
    find: "    if (stream.opened) this.#local -= 1;",
    put: "    if (stream.cut !== undefined) return true;\n    if (stream.opened) this.#local -= 1;",
  },
  {
    what: "the timer for the next acknowledgement outlives its session",
    file: "wire/living-session.ts",
    find: "    this.#receipts.close();\n",
    put: "",
  },
  {
    what: "the watch over a carrier's life outlives the carrier",
    file: "wire/carrier.ts",
    find: "    this.#keepalive.close();\n",
    put: "",
  },
  {
    what: "bytes that come are no sign of life, only pongs are",
    file: "wire/carrier.ts",
    find: "    this.#keepalive.heard();\n",
    put: "",
  },
  {
    what: "a carrier that could take no more is not asked again",
    file: "wire/carrier.ts",
    find: "      if (!this.#scheduled) this.#pump();\n",
    put: "",
  },
  {
    what: "a frame in more than 32 pieces loses one of them",
    file: "wire/decoder.ts",
    find: "    this.#pieces = [];\n    this.#gathered = whole;",
    put: "    this.#pieces = [];\n    this.#filled -= 1;\n    this.#gathered = whole;",
  },
  {
    what: "a call that was cut keeps its handler running",
    file: "rpc/server.ts",
    find: "{ cut: (error) => abort.abort(toConnectError(error)) }",
    put: "{ cut: (error) => void toConnectError(error) }",
  },
  {
    what: "what was sent is not kept for the next carrier",
    file: "wire/living-session.ts",
    find: "    this.#replay.keep(out, from);\n",
    put: "",
  },
  {
    what: "what was not received is not said again",
    file: "wire/living-session.ts",
    find: "    if (!this.#wroteEarly) this.#replay.rewind();\n",
    put: "",
  },
  {
    what: "the older carrier is still listened to when a session goes on at the next",
    file: "wire/living-session.ts",
    find: "    older?.detach();\n",
    put: "",
  },
  {
    what: "a session that has no carrier waits for one for ever",
    file: "wire/living-session.ts",
    find: "    this.#expiry = this.#deps.clock.after(carrierlessMs, () =>",
    put: "    this.#expiry = this.#deps.clock.after(carrierlessMs * 1e6, () =>",
  },
  {
    what: "an end says that it has received one frame less than it has",
    file: "wire/living-session.ts",
    find: "    return this.#receipts.tell();",
    put: "    return Math.max(0, this.#receipts.tell() - 1);",
  },
  {
    what: "a session that ends does not cancel its wait for a carrier",
    file: "wire/living-session.ts",
    find: "    this.#expiry?.cancel();\n    this.#drained?.();",
    put: "    this.#drained?.();",
  },
];

const root = new URL("../../..", import.meta.url).pathname;
const copy = join(root, ".cache/planted");
const chosen = process.argv.slice(2).map(Number);
let missed = 0;

console.log("| | bug | seed | events until found | found as |\n|---|---|---|---|---|");
for (const [index, bug] of bugs.entries()) {
  if (chosen.length > 0 && !chosen.includes(index + 1)) continue;
  for (const part of ["src", "test/faults/simulation", "test/gen"]) {
    rmSync(join(copy, part), { recursive: true, force: true });
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  const path = join(copy, "src", bug.file);
  const text = readFileSync(path, "utf8");
  if (text.split(bug.find).length !== 2) throw new Error(`Not once in ${bug.file}: ${bug.find}`);
  writeFileSync(path, text.replace(bug.find, bug.put));
  console.log(`| ${index + 1} | ${bug.what} (\`${bug.file}\`) | ${find()} |`);
}
rmSync(copy, { recursive: true, force: true });
process.exit(missed === 0 ? 0 : 1);

/** Seed, events and what was said, as cells of the table. */
function find(): string {
  const { stderr } = spawnSync(process.execPath, [join(copy, "test/faults/simulation/main.ts"), "1-2000"], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  const [, seed, events] = /^Seed (\d+) failed after (\d+) events/m.exec(stderr) ?? [];
  const [, said = ""] = /^Seed .*\n(?:\w*Error: )?(.*)/m.exec(stderr) ?? [];
  if (seed !== undefined) return `${seed} | ${events} | ${said.replaceAll("|", "\\|").slice(0, 160)}`;
  missed += 1;
  return "**not found** | | ";
}
