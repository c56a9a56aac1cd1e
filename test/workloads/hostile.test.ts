/** A peer that speaks the protocol by hand, and not as it should. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { begin, type Message, nothing, speak, startWithMallory, wish } from "./mallory.ts";
import { applyApp, deployments, held, hostIsEmpty, phaseOf, startTown } from "./story.ts";

test("a wish with a field that the host does not know is refused with its path, and nothing runs", async (t) => {
  const town = await startWithMallory(t);
  const spec = '{"image":"web:1","hostNetwork":false}';
  const { answers } = await speak(t, town, [begin, nothing, wish({ spec })]);
  await town.until("refused", () => answers.some(({ message }) => message.case === "refusal"));
  const refusal = answers.flatMap(({ message }) => (message.case === "refusal" ? [message.value] : []))[0];
  assert.equal(refusal?.reason, "Invalid");
  assert.deepEqual([refusal?.violations[0]?.field, refusal?.violations[0]?.rule], ["hostNetwork", "unknown-field"]);
  assert.ok(hostIsEmpty(town));
});

test("names that are paths, unknown kinds, and words out of order end the conversation, and nothing comes of them", async (t) => {
  const town = await startWithMallory(t);
  const cases: [Message[], Code][] = [
    [[begin, nothing, wish({ name: "../../kube-system" })], Code.InvalidArgument],
    [[begin, nothing, wish({ namespace: "a/b" })], Code.InvalidArgument],
    [[begin, nothing, wish({ uid: "x y" })], Code.InvalidArgument],
    [[begin, wish()], Code.InvalidArgument],
    [[begin, nothing, nothing], Code.InvalidArgument],
    [[nothing], Code.InvalidArgument],
    [[{ case: "begin", value: { kind: "secrets" } }], Code.Unimplemented],
  ];
  for (const [messages, code] of cases) {
    const { end } = await speak(t, town, messages);
    await town.until("the end", () => end() !== undefined);
    assert.equal(end()?.code, code, end()?.message);
  }
  assert.ok(hostIsEmpty(town));
});

test("another peer's UID in a tombstone, a digest or an adoption touches nothing of that peer", async (t) => {
  const town = await startWithMallory(t);
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const uid = town.agent("tokyo").cluster.objects.get("remoteapps/shop/web")?.metadata.uid ?? "";
  const { answers } = await speak(t, town, [
    begin,
    { case: "digest", value: { entries: [{ uid, generation: 1n, hash: "h" }], complete: true } },
    { case: "forgotten", value: { uid } },
    { case: "tombstone", value: { uid } },
    wish({ uid: "u-2", adopts: uid }),
  ]);
  await town.until("its own runs", () => held(town).length === 2 && deployments(town).length === 2);
  await town.until("nothing of its own was there", () => answers.some(({ message }) => message.case === "gone"));
  assert.ok(answers.every(({ message }) => message.case !== "orphans" || message.value.orphans.length === 0));
  const [victim] = held(town).filter(({ metadata }) => metadata.namespace === "fairlead-peer-tokyo");
  assert.equal(victim?.metadata.deletionTimestamp, undefined);
  assert.equal(victim?.metadata.annotations?.["fairlead.dev/orphaned-since"], undefined);
  assert.equal(phaseOf(town, "web"), "Ready");
});

test("a flood of words about objects that do not exist costs nothing that lasts, and another peer works on", async (t) => {
  const town = await startWithMallory(t);
  const flood = Array.from(
    { length: 3_000 },
    (_, index): Message => ({ case: "tombstone", value: { uid: `u-${index}` } }),
  );
  const { end, answers } = await speak(t, town, [begin, nothing, ...flood]);
  applyApp(town, "web");
  await town.until("tokyo's runs", () => phaseOf(town, "web") === "Ready");
  await town.until(
    "all is answered",
    () => answers.filter(({ message }) => message.case === "gone").length === flood.length,
  );
  assert.equal(end(), undefined);
  assert.equal(held(town).length, 1);
});

test("of two conversations of one peer the later counts", async (t) => {
  const town = await startWithMallory(t);
  const first = await speak(t, town, [begin, nothing]);
  await town.until("the first is under way", () => first.answers.length > 0);
  const second = await speak(t, town, [begin, nothing, wish()]);
  await town.until("the first is ended", () => first.end() !== undefined);
  assert.equal(first.end()?.code, Code.Aborted);
  await town.until("the second works", () => second.answers.some(({ message }) => message.case === "state"));
});

test("a guest is told to pair first", async (t) => {
  const town = await startTown(t);
  await town.connect("mallory", "osaka");
  const { end } = await speak(t, town, [begin]);
  await town.until("refused", () => end() !== undefined);
  assert.equal(end()?.code, Code.PermissionDenied);
});
