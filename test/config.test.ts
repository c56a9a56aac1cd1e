import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { configurationPage } from "../docs/generate-configuration.ts";
import { compareConfigs, describeConfig, listSettings, loadConfig, takeLive, variableOf } from "../src/config.ts";

const root = new URL("..", import.meta.url).pathname;
const nothing = { flags: {}, env: {} };

function file(text: string) {
  return { path: "fairlead.yaml", text };
}

test("without anything given, every setting has its default", () => {
  const loaded = loadConfig(nothing);
  assert.deepEqual(
    [loaded.config.console.port, loaded.config.link.port, loaded.config.telemetry.port],
    [8000, 8001, 8002],
  );
  assert.ok(describeConfig(loaded).every((setting) => setting.source === "default"));
});

test("a flag is stronger than a variable, a variable than the file, the file than a shared variable", () => {
  const env = {
    FAIRLEAD_CONSOLE_PORT: "3",
    FAIRLEAD_TELEMETRY_PORT: "3",
    NO_PROXY: "shared.test",
    HTTPS_PROXY: "http://p.test:1",
  };
  const text = "console: { port: 2 }\ntelemetry: { port: 2 }\nlink:\n  port: 2\n  noProxy: [a.test, b.test]\n";
  const loaded = loadConfig({ flags: { "console.port": "4" }, env, file: file(text) });
  assert.equal(loaded.config.console.port, 4);
  assert.equal(loaded.config.telemetry.port, 3);
  assert.equal(loaded.config.link.port, 2);
  assert.equal(loaded.config.link.noProxy, "a.test,b.test");
  assert.equal(loaded.config.link.httpsProxy, "http://p.test:1/");
  const sources = new Map(describeConfig(loaded).map(({ name, source }) => [name, source]));
  assert.equal(sources.get("console.port"), "flag");
  assert.equal(sources.get("telemetry.port"), "environment FAIRLEAD_TELEMETRY_PORT");
  assert.equal(sources.get("link.port"), "fairlead.yaml, line 4, column 9");
  assert.equal(sources.get("link.httpsProxy"), "environment HTTPS_PROXY");
  assert.equal(sources.get("link.host"), "default");
});

test("a proxy is given as other programs take it: a URL of http or https, or a host and its port alone", () => {
  const parsed = (given: string) => loadConfig({ ...nothing, env: { HTTPS_PROXY: given } }).config.link.httpsProxy;
  assert.equal(parsed("proxy.test:3128"), "http://proxy.test:3128/");
  assert.equal(parsed("me:hunter2@proxy.test"), "http://me:hunter2@proxy.test/");
  assert.equal(parsed("https://proxy.test:3129"), "https://proxy.test:3129/");
  assert.equal(parsed(""), undefined);
  for (const given of ["socks5://proxy.test:1080", "http://", "proxy test"]) {
    assert.throws(
      () => parsed(given),
      /must be a URL that starts with http:\/\/ or https:\/\/ \(environment HTTPS_PROXY\)/,
      given,
    );
  }
});

test("an unknown name is refused wherever it stands, with the nearest one that exists", () => {
  assert.throws(
    () => loadConfig({ ...nothing, flags: { "link.prot": "1" } }),
    /link\.prot: .* did you mean link\.port\? \(flag\)/,
  );
  assert.throws(
    () => loadConfig({ ...nothing, env: { FAIRLEAD_LINK_PROT: "1" } }),
    /FAIRLEAD_LINK_PROT: .* did you mean FAIRLEAD_LINK_PORT\? \(environment\)/,
  );
  assert.throws(
    () => loadConfig({ ...nothing, file: file("link:\n  prot: 1\n") }),
    /link\.prot: .* did you mean link\.port\? \(fairlead\.yaml, line 2, column 9\)/,
  );
});

test("all mistakes are told at once, each with its place", () => {
  const text = "console: { port: many }\nlog: { level: loud }\nlink: { url: 'ftp://x' }\nshutdown: { grace: 20 }\n";
  assert.throws(
    () => loadConfig({ ...nothing, file: file(text) }),
    (error) =>
      error instanceof Error && error.message.split("\n").length === 4 && /must be a duration/.test(error.message),
  );
});

test("a file that is no YAML, has two documents, or no sections is refused", () => {
  assert.throws(() => loadConfig({ ...nothing, file: file("link: [") }), /fairlead\.yaml, line 1/);
  assert.throws(() => loadConfig({ ...nothing, file: file("a\n---\nb\n") }), /one document/);
  assert.throws(() => loadConfig({ ...nothing, file: file("just text") }), /must be a section/);
  assert.doesNotThrow(() => loadConfig({ ...nothing, file: file("link:\n#  port: 1\n") }));
});

test("Kubernetes' variables for a Service are no settings, even where they have a setting's name", () => {
  const env = {
    FAIRLEAD_LINK_PORT: "tcp://10.0.0.1:8001",
    FAIRLEAD_LINK_PORT_8001_TCP_ADDR: "10.0.0.1",
    FAIRLEAD_SERVICE_HOST: "10.0.0.1",
    FAIRLEAD_SERVICE_PORT_LINK: "8001",
    FAIRLEAD_PORT: "tcp://10.0.0.1:8000",
  };
  assert.equal(loadConfig({ ...nothing, env }).config.link.port, 8001);
});

test("a password inside a URL is used and not shown", () => {
  const loaded = loadConfig({ ...nothing, flags: { "link.httpProxy": "http://me:hunter2@proxy.test:3128" } });
  assert.match(loaded.config.link.httpProxy ?? "", /hunter2/);
  const shown = describeConfig(loaded).find((setting) => setting.name === "link.httpProxy");
  assert.equal(shown?.value, "http://me:[secret]@proxy.test:3128/");
});

test("durations are read as Kubernetes writes them", () => {
  const grace = (text: string) => loadConfig({ ...nothing, flags: { "shutdown.grace": text } }).config.shutdown.grace;
  assert.deepEqual(["500ms", "20s", "1h30m", "1.5s"].map(grace), [500, 20_000, 5_400_000, 1_500]);
  for (const wrong of ["", "20", "s", "-5s", "5 s", "1d"]) assert.throws(() => grace(wrong), /must be a duration/);
});

test("a time in which nobody could become a link is refused", () => {
  const time = (text: string) =>
    loadConfig({ ...nothing, flags: { "link.handshakeTime": text } }).config.link.handshakeTime;
  assert.equal(time("3s"), 3_000);
  assert.throws(() => time("10ms"), /link\.handshakeTime: must be a duration of at least 1s/);
});

test("the configuration cannot be changed, only replaced, and the difference says what takes effect at once", () => {
  const before = loadConfig(nothing);
  assert.throws(() => Object.assign(before.config.link, { port: 1 }), TypeError);
  const after = loadConfig({ ...nothing, flags: { "log.level": "debug", "link.port": "9" } });
  assert.deepEqual(compareConfigs(before, after), [
    { name: "log.level", live: true },
    { name: "link.port", live: false },
  ]);
  const running = takeLive(before, after);
  assert.equal(running.config.log.level, "debug");
  assert.equal(running.origins.get("log.level"), "flag");
  assert.equal(running.config.link.port, before.config.link.port);
  assert.equal(running.origins.get("link.port"), undefined);
  assert.deepEqual(compareConfigs(before, running), [{ name: "log.level", live: true }]);
});

test("each setting is read by some code", () => {
  const sources = globSync("src/**/*.ts", { cwd: root })
    .filter((path) => !path.startsWith("src/config") && !path.startsWith("src/gen"))
    .map((path) => readFileSync(root + path, "utf8"))
    .join("\n");
  const unread = [...listSettings().keys()].filter((name) => !sources.includes(`config.${name}`));
  assert.deepEqual(unread, [], "declared in config-schema.ts and read nowhere as config.<name>");
});

test("no two settings share a variable", () => {
  const variables = [...listSettings().keys()].map(variableOf);
  assert.equal(new Set(variables).size, variables.length);
  assert.equal(variableOf("link.caFile"), "FAIRLEAD_LINK_CA_FILE");
});

test("the reference page says what the program reads (make docs brings it up to date)", () => {
  assert.equal(readFileSync(`${root}docs/configuration.md`, "utf8"), configurationPage);
});
