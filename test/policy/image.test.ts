import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatImage, normaliseImage, parseImage } from "../../src/policy/image.ts";

const hex = "0123456789abcdef".repeat(4);

test("a reference is completed as the container runtime completes it", () => {
  // The right side is what github.com/distribution/reference's ParseDockerRef and TagNameOnly say of the left one.
  const pairs: [string, string][] = [
    ["nginx", "docker.io/library/nginx:latest"],
    ["nginx-evil", "docker.io/library/nginx-evil:latest"],
    ["nginx:1.27", "docker.io/library/nginx:1.27"],
    ["docker.io/nginx", "docker.io/library/nginx:latest"],
    ["docker.io/library/nginx", "docker.io/library/nginx:latest"],
    ["index.docker.io/nginx", "docker.io/library/nginx:latest"],
    ["index.docker.io/library/nginx", "docker.io/library/nginx:latest"],
    ["shop/web", "docker.io/shop/web:latest"],
    ["docker.io/shop/web", "docker.io/shop/web:latest"],
    ["registry/x", "docker.io/registry/x:latest"],
    ["registry.example.org/x", "registry.example.org/x:latest"],
    ["registry:5000/x", "registry:5000/x:latest"],
    ["localhost/x", "localhost/x:latest"],
    ["localhost:5000/x", "localhost:5000/x:latest"],
    ["localhost:5000", "docker.io/library/localhost:5000"],
    ["Registry/x", "Registry/x:latest"],
    ["[2001:db8::1]:5000/x:1", "[2001:db8::1]:5000/x:1"],
    ["a/b/c/d:v_1.2-3", "docker.io/a/b/c/d:v_1.2-3"],
    ["a--b__c.d_e", "docker.io/library/a--b__c.d_e:latest"],
    [`nginx@sha256:${hex}`, `docker.io/library/nginx@sha256:${hex}`],
    [`nginx:1.27@sha256:${hex}`, `docker.io/library/nginx:1.27@sha256:${hex}`],
    [`localhost:5000/x:1@sha512:${hex}${hex}`, `localhost:5000/x:1@sha512:${hex}${hex}`],
  ];
  for (const [reference, whole] of pairs) assert.equal(normaliseImage(reference), whole, reference);
});

test("what the container runtime refuses is no reference", () => {
  for (const text of [
    "",
    ":1",
    "/nginx",
    "nginx/",
    "a//b",
    "NGINX",
    "shop/Web",
    "docker.io/shop/WEB",
    "https://docker.io/nginx",
    "nginx:",
    "nginx:-1",
    `nginx:${"a".repeat(129)}`,
    "nginx@",
    "nginx@sha256:abc",
    `nginx@md5:${hex}`,
    `nginx@sha256:${hex.toUpperCase()}`,
    `nginx@sha256:${hex}@sha256:${hex}`,
    "nginx latest",
    "nginx\n",
    "nginx:1\n",
    "-nginx",
    "nginx-",
    "a...b",
    "a___b",
    "registry.example.org:port/x",
    "exa mple.org/x",
    "docker.io/",
    `x/${"a".repeat(256)}`,
    "../x",
    "ｎginx",
  ]) {
    assert.equal(parseImage(text), undefined, JSON.stringify(text));
  }
});

test("an image of the node is not run by its id, whoever brought it there", () => {
  for (const text of [hex, `sha256:${hex}`, "sha256:0123abcd", `sha512:${hex}${hex}`]) {
    assert.equal(parseImage(text), undefined, text);
  }
  assert.ok(parseImage("example.org/sha256:1"), "in a registry it is a name like any other");
});

const part = fc.stringMatching(/^[a-z0-9]{1,8}([._-][a-z0-9]{1,4})?$/);
const registry = fc.option(
  fc.constantFrom("docker.io", "localhost", "localhost:5000", "ghcr.io", "registry:5000", "10.0.0.1"),
);
const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,10}$/));
const reference = fc
  .record({ registry, parts: fc.array(part, { minLength: 1, maxLength: 4 }), tag, pinned: fc.boolean() })
  .filter(({ parts }) => !/^(localhost|sha(256|384|512))$|\./.test(parts[0] ?? ""))
  .map((one) => {
    const place = `${one.registry === null ? "" : `${one.registry}/`}${one.parts.join("/")}`;
    return { ...one, text: `${place}${one.tag === null ? "" : `:${one.tag}`}${one.pinned ? `@sha256:${hex}` : ""}` };
  });

test("each reference has one name, however it is written, and keeps its parts", () => {
  fc.assert(
    fc.property(reference, ({ text, registry, parts, tag, pinned }) => {
      const image = parseImage(text);
      assert.ok(image, text);
      const whole = formatImage(image);
      assert.equal(normaliseImage(whole), whole, "a whole one is left as it is");
      assert.equal(image.registry, registry ?? "docker.io");
      assert.ok(image.repository === parts.join("/") || image.repository === `library/${parts.join("/")}`);
      assert.equal(
        image.repository.startsWith("library/"),
        (image.registry === "docker.io" && parts.length === 1) || parts[0] === "library",
      );
      assert.equal(image.tag, tag ?? (pinned ? undefined : "latest"));
      if (image.registry === "docker.io") {
        const bare = text.replace(/^docker\.io\//, "");
        for (const alias of ["", "docker.io/", "index.docker.io/"]) assert.equal(normaliseImage(alias + bare), whole);
      }
    }),
    { numRuns: 300 },
  );
});

test("a text that is made to be slow takes no time", () => {
  const startedAt = performance.now();
  for (const text of [
    "a".repeat(1e6),
    "a.".repeat(500),
    "a-".repeat(511),
    "a/".repeat(511),
    `x/${"-".repeat(1_000)}`,
    "[".repeat(1_000),
  ]) {
    parseImage(text);
  }
  assert.ok(performance.now() - startedAt < 1_000);
});
