/** What `plant.ts` plants: mistakes that are easily made in resume, credit and close, and those that were made. */

/** A bug to plant: `find` stands once in the file, below `src`, and `put` goes in its place. */
export interface Bug {
  readonly what: string;
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

export const bugs: readonly Bug[] = [
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
    file: "wire/outflow.ts",
    find: "    this.#replay.keep(out, from);\n",
    put: "",
  },
  {
    what: "what was not received is not said again",
    file: "wire/outflow.ts",
    find: "    if (again) this.#replay.rewind();\n",
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
  {
    what: "a session that was held and given up begins again",
    file: "wire/part.ts",
    find: "resume.begins && !sessions.hasEnded(remote.instance, resume.session);",
    put: "resume.begins;",
  },
  {
    what: "any session that the other end names begins",
    file: "wire/part.ts",
    find: "if (known === undefined && !begins && this.#number > sessions.highest) {",
    put: "if (known === undefined && !begins && this.#number < 0n) {",
  },
  {
    what: "the number of a carrier is not compared",
    file: "wire/peer-sessions.ts",
    find: "    if (number <= this.#highest) return false;\n",
    put: "",
  },
  {
    what: "two carriers get the same number when the clock was set back",
    file: "wire/peer-sessions.ts",
    find: "now > this.#numbered ? now : this.#numbered + 1n;",
    put: "now;",
  },
  {
    what: "what was said before the first Resume is said again",
    file: "wire/outflow.ts",
    find: "    if (again) this.#replay.rewind();",
    put: "    this.#replay.rewind();",
  },
  {
    what: "frames that count are sent before the other end's Resume",
    file: "wire/living-session.ts",
    find: "    return this.#mayWrite ? bytes + this.#outflow.pull(out, budget - bytes) : bytes;",
    put: "    return bytes + this.#outflow.pull(out, budget - bytes);",
  },
  {
    what: "an Ack that has fallen due is never sent",
    file: "wire/receipts.ts",
    find: "    this.#isDue = true;\n    this.#deps.due();",
    put: "    this.#deps.due();",
  },
  {
    what: "a reset is not counted by who receives it",
    file: "wire/living-session.ts",
    find: "    if (kindCounts(number)) this.#receipts.count(bytes);",
    put: '    if (kindCounts(number) && kind.case !== "reset") this.#receipts.count(bytes);',
  },
  {
    what: "the replay begins one frame too late",
    file: "wire/replay.ts",
    find: "    this.#next = this.#head;",
    put: "    this.#next = Math.min(this.#head + 1, this.#frames.length);",
  },
  {
    what: "a frame in several pieces is kept without its last",
    file: "wire/replay.ts",
    find: "pieces: out.slice(start, at), bytes",
    put: "pieces: out.slice(start, Math.max(start + 1, at - 1)), bytes",
  },
  {
    what: "the wait for a carrier goes on when there is one",
    file: "wire/living-session.ts",
    find: "    older?.detach();\n    this.#expiry?.cancel();\n",
    put: "    older?.detach();\n",
  },
  {
    what: "nobody is told that a session is over",
    file: "wire/part.ts",
    find: "this.#stop(tell ? closeFrame(why) : undefined);",
    put: "this.#stop();",
  },
  {
    what: "a window grows, and is counted as if it had not",
    file: "wire/credit.ts",
    find: "    this.#size += more;\n",
    put: "",
  },
  {
    what: "a window that shrinks stays promised",
    file: "wire/credit.ts",
    find: "    this.#shrink(less);\n    return less;",
    put: "    return less;",
  },
  {
    what: "what a window has grown by is never given back to the budget",
    file: "wire/budget.ts",
    find: "    this.#add(-first, -grown);\n  }\n\n  /** The session",
    put: "    this.#add(-first, 0);\n  }\n\n  /** The session",
  },
  {
    what: "what nobody will read still counts as held",
    file: "wire/credit.ts",
    find: "    this.#budget.held -= this.held;\n    this.#owed = 0;",
    put: "    this.#owed = 0;",
  },
  {
    what: "an Open names the newest announcement, and takes the credit of the one before",
    file: "wire/streams.ts",
    find: "streamCredit: announce.streamCredit, maxStreams",
    put: "maxStreams",
  },
  {
    what: "the message of a call that was cut counts for ever",
    file: "rpc/server.ts",
    find: "            message.end();\n",
    put: "",
  },
  {
    what: "a deadline does not end the reading of a request",
    file: "rpc/server.ts",
    find: "values.get(bodyKey)?.stopBy(signal)",
    put: "void [signal, values]",
  },
  {
    what: "a carrier that takes nothing is not found",
    file: "wire/keepalive.ts",
    find: "    if (stuckMs >= limits.stalledMs) {",
    put: "    if (stuckMs >= limits.stalledMs * 1e6) {",
  },
];
