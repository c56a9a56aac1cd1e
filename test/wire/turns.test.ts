import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { until } from "../patience.ts";
import { openFrame, openRaw } from "./raw-peer.ts";

suite("turns of the event loop", () => {
  test("a flood of frames leaves other links their turn, however long each takes, and none is lost", async () => {
    let spentMs = 0;
    const opened: number[] = [];
    const { peer, session } = await openRaw({
      clock: { ...systemClock, monotonic: () => spentMs },
      accept: (incoming) => {
        if (incoming.kind === "dial") opened.push(incoming.id);
        spentMs += 1;
      },
    });
    const ids = Array.from({ length: 100 }, (_, index) => index * 2 + 1);
    for (const id of ids) peer.send(openFrame(id));
    const inEachTurn: number[] = [];
    const look = (): boolean => {
      inEachTurn.push(opened.length - inEachTurn.reduce((sum, count) => sum + count, 0));
      return opened.length === ids.length;
    };
    await until("all are opened", look, { everyMs: 0 });
    assert.deepEqual(opened, ids);
    assert.ok(Math.max(...inEachTurn) <= 3, `${Math.max(...inEachTurn)} ms of one link in one turn`);
    session.close({ reason: 56, message: "Done." });
  });
});
