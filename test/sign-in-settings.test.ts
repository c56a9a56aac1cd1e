import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { signInSettings } from "../src/agent-sign-in.ts";
import { type ConfigSources, loadConfig } from "../src/config.ts";
import type { KubeClient } from "../src/kube/client.ts";

const file = (text: string): ConfigSources => ({ flags: {}, env: {}, file: { path: "fairlead.yaml", text } });
const read = (text: string, cluster?: KubeClient) => signInSettings(loadConfig(file(text)).config, cluster);
const cluster = {} as KubeClient;

test("without anything said there is no provider, and no token of the cluster counts", () => {
  assert.equal(read("").oidc, undefined);
  assert.deepEqual(read("", cluster).kubernetes?.roles, []);
  assert.equal(read("").kubernetes, undefined);
});

test("a provider is as the configuration says, with the client's secret as its file has it at the time", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  t.after(() => rm(folder, { recursive: true }));
  const secret = join(folder, "client-secret");
  const { oidc } = read(`
console:
  oidc:
    issuer: https://id.example.com
    clientSecretFile: ${secret}
    roles:
      - { group: platform, role: admin }
      - { user: zoe@example.com, role: viewer, peers: [berlin] }
`);
  await writeFile(secret, "first\n");
  assert.equal((await oidc?.clientSecret?.())?.reveal(), "first");
  await writeFile(secret, "second");
  assert.equal((await oidc?.clientSecret?.())?.reveal(), "second");
  const { clientSecret: _, ...rest } = oidc ?? assert.fail();
  assert.deepEqual(rest, {
    issuer: "https://id.example.com",
    name: "single sign-on",
    clientId: "fairlead",
    scopes: "openid profile email",
    usernameClaim: "email",
    groupsClaim: "groups",
    trustEmail: false,
    roles: [
      { group: "platform", role: "admin" },
      { user: "zoe@example.com", role: "viewer", peers: ["berlin"] },
    ],
  });
});

test("what cannot be is refused before the agent starts", () => {
  const wrong: [text: string, why: RegExp][] = [
    [
      "console: { oidc: { issuer: http://id.example.com } }",
      /console\.oidc\.issuer: must be a URL that starts with https/,
    ],
    ["console: { oidc: { issuer: ftp://id.example.com } }", /console\.oidc\.issuer/],
    ["console: { oidc: { issuer: https://id.example.com, scopes: profile } }", /openid must be among/],
    ["console: { oidc: { roles: [{ group: a, role: admin }] } }", /console\.oidc\.issuer: without it/],
    ["console: { oidc: { roles: [{ group: a, role: root }] } }", /console\.oidc\.roles: the 1\. of them needs a role/],
    ["console: { kubernetes: { roles: [{ group: a, role: admin }] } }", /stands in no cluster/],
    ["console: { kubernetes: { rolls: [] } }", /did you mean console\.kubernetes\.roles/],
  ];
  for (const [text, why] of wrong) assert.throws(() => read(text), why, text);
  assert.equal(
    read("console: { oidc: { issuer: http://127.0.0.1:5556/dex } }").oidc?.issuer,
    "http://127.0.0.1:5556/dex",
  );
});
