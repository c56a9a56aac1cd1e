import assert from "node:assert/strict";
import { test } from "node:test";
import type { Reflector, ReflectorListener } from "../../src/kube/reflector.ts";
import type { ConfigMap } from "../../src/kube/resources.ts";
import { createLatest } from "../../src/workloads/latest.ts";

function version(resourceVersion: string, value: string, uid = "u-1"): ConfigMap {
  return { metadata: { name: "a", namespace: "n", uid, resourceVersion }, data: { value } };
}

/** A reflector that tells what a test says, and the latest on top of it. */
function start() {
  let listener: ReflectorListener<ConfigMap> = () => undefined;
  let known: ConfigMap | undefined;
  const reflector: Reflector<ConfigMap> = {
    get: () => known,
    list: () => (known ? [known] : []),
    subscribe(fn) {
      listener = fn;
      return () => undefined;
    },
    synced: async () => undefined,
    isSynced: true,
    silentMs: () => 0,
    lastError: undefined,
    close: async () => undefined,
  };
  const latest = createLatest(reflector);
  const heard: string[] = [];
  latest.subscribe((_key, object) => void heard.push(object?.data?.value ?? "gone"));
  const tell = (object: ConfigMap | undefined): void => {
    const before = known;
    known = object;
    listener("n/a", object, before);
  };
  return { latest, heard, tell, value: () => latest.get("n/a")?.data?.value };
}

test("the answer to our own write counts at once, and an older event after it does not", () => {
  const { latest, heard, tell, value } = start();
  tell(version("5", "five"));
  latest.put(version("7", "seven"));
  tell(version("6", "six"));
  assert.equal(value(), "seven");
  tell(version("7", "seven"));
  tell(version("8", "eight"));
  assert.deepEqual(heard, ["five", "seven", "eight"]);
});

test("a late answer to a write brings nothing back that was deleted meanwhile", () => {
  const { latest, tell, value } = start();
  tell(version("5", "five"));
  tell(undefined);
  latest.put(version("6", "six"));
  assert.equal(value(), undefined);
  latest.put(version("9", "another", "u-2"));
  assert.equal(value(), "another", "a new object by the same name is no ghost");
});

test("a late answer that is older than what is known is ignored", () => {
  const { latest, tell, value } = start();
  tell(version("10", "ten"));
  latest.put(version("9", "nine"));
  assert.equal(value(), "ten");
});

test("an API server that was restored from a backup is believed, although its versions are older", () => {
  const { tell, value } = start();
  tell(version("100", "new"));
  tell(version("40", "restored"));
  assert.equal(value(), "restored");
});

test("an object that was replaced by another of its name is told as gone and as new", () => {
  const { heard, tell } = start();
  tell(version("5", "first"));
  tell(version("8", "second", "u-2"));
  assert.deepEqual(heard, ["first", "gone", "second"]);
});
