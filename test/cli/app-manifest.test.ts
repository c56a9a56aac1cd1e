import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { equals, toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import { stringify } from "yaml";
import { type AppManifest, appFromOptions, type DeployOptions, readManifests } from "../../src/cli/app-manifest.ts";
import { CliError, exitCode } from "../../src/cli/errors.ts";
import { RemoteAppSpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";

const head = "apiVersion: fairlead.dev/v1alpha1\nkind: RemoteApp\n";

function mistakeIn(text: string): CliError {
  try {
    readManifests(text, "shop.yaml", "default");
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

suite("manifests", () => {
  test("options → manifest → YAML → manifest is the identity", () => {
    const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/);
    const words = fc.array(fc.string({ unit: "grapheme", maxLength: 20 }), { minLength: 1, maxLength: 3 });
    const port = fc.integer({ min: 1, max: 65_535 });
    const options: fc.Arbitrary<DeployOptions> = fc.record(
      {
        peer: name,
        image: fc.stringMatching(/^[a-z./:0-9-]{1,30}$/),
        replicas: fc.integer({ min: 0, max: 1000 }),
        port: fc.array(
          fc.oneof(
            port.map(String),
            fc.tuple(name, port).map(([its, number]) => `${its}:${number}/tcp`),
          ),
          { minLength: 1, maxLength: 3 },
        ),
        env: fc.array(
          fc.tuple(name, fc.string({ unit: "grapheme" })).map(([key, value]) => `${key}=${value}`),
          { minLength: 1, maxLength: 3 },
        ),
        request: fc.constantFrom(["cpu=1"], ["cpu=0.5", "memory=64Mi"]),
        limit: fc.constantFrom(["cpu=100m"], ["memory=1e3"]),
        imagePullPolicy: fc.constantFrom("Always", "IfNotPresent", "Never"),
        command: words,
        arg: words,
      },
      { requiredKeys: ["peer", "image"] },
    );
    fc.assert(
      fc.property(name, name, options, (app, namespace, given) => {
        const made = appFromOptions(app, namespace, given);
        const text = stringify({
          apiVersion: "fairlead.dev/v1alpha1",
          kind: "RemoteApp",
          metadata: made.ref,
          spec: toJson(RemoteAppSpecSchema, made.spec),
        });
        const [read] = readManifests(text, "a file", "elsewhere");
        assert.deepEqual(read?.ref, made.ref);
        assert.ok(read && equals(RemoteAppSpecSchema, read.spec, made.spec), text);
      }),
      { numRuns: 300 },
    );
  });

  test("a spec in YAML keeps replicas: 0, numbers as quantities and texts that look like numbers", () => {
    const [app] = readManifests(
      `${head}metadata: {name: a, labels: {tier: "1"}}\nspec: {peer: b, image: i, replicas: 0, resources: {limits: {cpu: 1}}, args: ["1"]}`,
      "a file",
      "default",
    );
    assert.deepEqual(app && { labels: app.labels, spec: toJson(RemoteAppSpecSchema, app.spec) }, {
      labels: { tier: "1" },
      spec: { peer: "b", image: "i", replicas: 0, resources: { limits: { cpu: 1 } }, args: ["1"] },
    });
  });

  test("several documents, JSON and Lists are read; empty documents are left out", () => {
    const names = (text: string): string[] =>
      readManifests(text, "a file", "ours").map(({ ref }: AppManifest) => `${ref.namespace}/${ref.name}`);
    const one = `${head}metadata: {name: a}\nspec: {peer: b, image: i}\n`;
    const two = `${head}metadata: {name: c, namespace: theirs}\nspec: {peer: b, image: i}\n`;
    assert.deepEqual(names(`---\n${one}---\n# nothing\n---\n${two}`), ["ours/a", "theirs/c"]);
    const object = { apiVersion: "fairlead.dev/v1alpha1", kind: "RemoteApp", metadata: { name: "j" }, spec: {} };
    assert.deepEqual(names(JSON.stringify(object)), ["ours/j"]);
    assert.deepEqual(names(JSON.stringify({ apiVersion: "v1", kind: "List", items: [object] })), ["ours/j"]);
  });

  for (const [what, text, says] of [
    [
      "an unknown field",
      `${head}metadata: {name: a}\nspec:\n  peer: b\n  imagee: i\n`,
      /^shop\.yaml, line 6, column 11: spec\.imagee: there is no such field; did you mean image\?$/,
    ],
    [
      "an unknown field deep inside",
      `${head}metadata: {name: a}\nspec:\n  ports:\n  - port: 80\n`,
      /^shop\.yaml, line 6, column \d+: spec\.ports\[0\]\.port: there is no such field/,
    ],
    [
      "a wrong type",
      `${head}metadata: {name: a}\nspec: {replicas: two}\n`,
      /spec\.replicas: must be a whole number \(it is "two"\)$/,
    ],
    [
      "a number where a text belongs",
      `${head}metadata: {name: a}\nspec: {env: [{name: A, value: 3}]}\n`,
      /spec\.env\[0\]\.value: must be a text; put it in quotes \(it is 3\)$/,
    ],
    ["a value in place of a list", `${head}metadata: {name: a}\nspec: {ports: 80}\n`, /spec\.ports: must be a list/],
    ["tabs", `${head}metadata:\n\tname: a\n`, /^shop\.yaml, line 4, column 1: Tabs are not allowed/],
    [
      "a second document of another kind",
      `${head}metadata: {name: a}\nspec: {}\n---\napiVersion: v1\nkind: Pod\n`,
      /^shop\.yaml, line 6, column 1: this is v1 Pod, not fairlead\.dev\/v1alpha1 RemoteApp$/,
    ],
    ["an unknown field beside the spec", `${head}metadata: {name: a}\nsepc: {}\n`, /: sepc: there is no such field$/],
    ["no name", `${head}spec: {}\n`, /: metadata\.name: an app needs a name$/],
    ["a name that is a number", `${head}metadata: {name: 12}\n`, /metadata\.name: must be a text; put it in quotes$/],
    [
      "a label that is no text",
      `${head}metadata: {name: a, labels: {x: true}}\n`,
      /metadata\.labels\.x: must be a text; put it in quotes$/,
    ],
    ["nothing", "# only a comment\n", /^shop\.yaml holds no RemoteApp$/],
    ["no object", "hello\n", /^shop\.yaml, line 1, column 1: this is no RemoteApp$/],
  ] as const) {
    test(`${what} is a usage error that says where`, () => {
      const mistake = mistakeIn(text);
      assert.match(mistake.message, says);
      assert.equal(mistake.code, exitCode.usage);
    });
  }

  test("all mistakes of a spec are told at once", () => {
    const mistake = mistakeIn(`${head}metadata: {name: a}\nspec: {imagee: x, replicas: two, args: y}\n`);
    assert.equal(mistake.message.split("\n").length, 3);
  });
});

suite("apps from options", () => {
  const enough = { peer: "berlin", image: "nginx" };

  for (const [what, name, options, says] of [
    ["without a name", undefined, enough, /needs a name/],
    ["without a peer", "a", { image: "nginx" }, /needs --peer/],
    ["with a peer and a placement", "a", { ...enough, count: 2 }, /give the one or the other/],
    ["with a label that is none", "a", { image: "nginx", placementSelector: ["prod"] }, /is not KEY=VALUE/],
    ["without an image", "a", { peer: "berlin" }, /needs --image/],
    ["with a port that is none", "a", { ...enough, port: ["http"] }, /--port http is no port/],
    ["with an env that is none", "a", { ...enough, env: ["A"] }, /is not NAME=VALUE/],
    ["with a request that is none", "a", { ...enough, request: ["cpu"] }, /is not NAME=QUANTITY/],
  ] as const) {
    test(`${what} they are refused before anything is sent`, () => {
      const given: DeployOptions = structuredClone<DeployOptions>(options as DeployOptions);
      assert.throws(
        () => appFromOptions(name, "default", given),
        (error) => error instanceof CliError && error.code === exitCode.usage && says.test(error.message),
      );
    });
  }

  test("which peers run it can be said instead of one peer", () => {
    const options = {
      placementSelector: ["tier=prod"],
      placementFact: ["architecture=arm64", "memory>=64Gi", "cpu>7", "nodes=<9"],
      spread: "region",
    };
    const { spec } = appFromOptions("a", "default", { image: "nginx", count: 0, move: "Unreachable", ...options });
    assert.equal(spec.peer, undefined);
    const { selector, facts, count, spread, move } = spec.placement ?? {};
    assert.deepEqual(selector, { matchLabels: { tier: "prod" } });
    assert.deepEqual(
      [facts, count, spread, move],
      [{ architecture: "arm64", memory: ">=64Gi", cpu: ">7", nodes: "<9" }, 0, "region", "Unreachable"],
    );
  });

  test("a port may have a name and a protocol, and an environment variable may hold equals signs", () => {
    const { spec } = appFromOptions("a", "default", { ...enough, port: ["web:80/h2c", "53/udp", "9"], env: ["A=b=c"] });
    assert.deepEqual(
      spec.ports.map(({ name, containerPort, appProtocol }) => [name, containerPort, appProtocol]),
      [
        ["web", 80, "h2c"],
        [undefined, 53, "udp"],
        [undefined, 9, undefined],
      ],
    );
    assert.equal(spec.env[0]?.value, "b=c");
  });
});
