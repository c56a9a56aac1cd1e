import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { RemoteAppSpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { admit } from "../../src/policy/admission.ts";

const app = create(RemoteAppSpecSchema, { image: "web:1" });

test("a peer without the grant runs nothing, and hears which rule spoke and who can change it", () => {
  const { decision, findings } = admit({ app }, { peer: "tokyo", grants: ["tunnels"] });
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

test("a peer with the grant is admitted, and no rule has anything to say", () => {
  assert.deepEqual(admit({ app }, { peer: "tokyo", grants: ["apps"] }), { decision: "admit", findings: [] });
});
