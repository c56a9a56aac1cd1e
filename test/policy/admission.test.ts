import assert from "node:assert/strict";
import { test } from "node:test";
import { appOf, ask } from "./given.ts";

test("a peer without the grant runs nothing, and hears which rule spoke and who can change it", () => {
  const { decision, findings } = ask(appOf(), { grants: ["tunnels"] });
  assert.equal(decision, "deny");
  assert.deepEqual(findings, [
    {
      rule: "grants/apps",
      field: "",
      message:
        'peer tokyo has no grant "apps" here; the operator of this cluster can give it: fairlead peer grant tokyo apps',
    },
  ]);
});

test("a peer with the grant and a policy that accepts is admitted, and no rule has anything to say", () => {
  assert.deepEqual(ask(appOf()), { decision: "admit", findings: [] });
});
