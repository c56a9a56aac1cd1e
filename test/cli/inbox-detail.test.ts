import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromJson } from "@bufbuild/protobuf";
import { inboxDetail } from "../../src/cli/inbox-view.ts";
import { InboxItemSchema, InboxItem_State as State } from "../../src/gen/fairlead/console/v1/inbox_service_pb.ts";
import { RemoteAppSpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { JsonObject } from "../../src/kube/object.ts";

const specOf = (json: JsonObject) => fromJson(RemoteAppSpecSchema, { image: "web:1", ...json });

/** The lines that say what changes, by their marks. */
function changes(running: JsonObject, asked: JsonObject): string[] {
  const item = create(InboxItemSchema, { state: State.HELD, app: specOf(asked), running: specOf(running) });
  const lines = inboxDetail(item, 0).split("\n");
  return lines.flatMap((line) => /^ {4}([-+] .*)$/.exec(line)?.[1] ?? []);
}

test("what changes in any container, claim or choice of node is shown line by line", () => {
  const before = { containers: [{ name: "log", image: "log:1" }], nodeSelector: { pool: "a" } };
  const after = {
    containers: [{ name: "log", image: "log:2", securityContext: { runAsUser: 0 } }],
    nodeSelector: { pool: "a" },
    initContainers: [{ name: "miner", image: "miner:1" }],
  };
  const shown = changes(before, after).join("\n");
  assert.match(shown, /^- +image: log:1$/m);
  assert.match(shown, /^\+ +image: log:2$/m);
  assert.match(shown, /^\+ +runAsUser: 0$/m);
  assert.match(shown, /^\+ +(- )?name: miner$/m);
  assert.doesNotMatch(shown, /pool/);
});

test("another content of a Secret or a ConfigMap is another hash, and the content is not there to be shown", () => {
  const [before, after] = ["a".repeat(64), "b".repeat(64)];
  const secret = (hash: string) => ({ secrets: [{ name: "db", hash }], configMaps: [{ name: "app", hash: before }] });
  assert.deepEqual(
    changes(secret(before), secret(after)).map((line) => line.replace(/ +/g, " ")),
    [`- hash: ${before}`, `+ hash: ${after}`],
  );
});
