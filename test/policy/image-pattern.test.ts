import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { matchesGlob, parseGlob } from "../../src/policy/glob.ts";
import { parseImage } from "../../src/policy/image.ts";
import { allowsImage, deniesImage, parsePattern } from "../../src/policy/image-pattern.ts";

const hex = "0123456789abcdef".repeat(4);
const other = "f".repeat(64);

function allows(pattern: string, reference: string): boolean {
  const [parsed, image] = [parsePattern(pattern), parseImage(reference)];
  assert.ok(parsed && image, `${pattern} and ${reference} are understood`);
  return allowsImage(parsed, image);
}

function denies(pattern: string, reference: string): boolean {
  const [parsed, image] = [parsePattern(pattern), parseImage(reference)];
  assert.ok(parsed && image, `${pattern} and ${reference} are understood`);
  return deniesImage(parsed, image);
}

test("an allow-list is no startsWith: what only begins alike is another image", () => {
  const table: [string, string[], string[]][] = [
    [
      "nginx",
      [
        "nginx",
        "nginx:1.27",
        "docker.io/nginx",
        "index.docker.io/library/nginx",
        "docker.io/library/nginx:x",
        `nginx@sha256:${hex}`,
      ],
      [
        "nginx-evil",
        "nginx-evil/nginx",
        "nginx/evil",
        "evil/nginx",
        "docker.io/evil/nginx",
        "localhost:5000/nginx",
        "registry.evil.net/library/nginx",
      ],
    ],
    ["shop/*", ["shop/web", "docker.io/shop/db:1"], ["shop/web/evil", "shop-evil/web", "shop", "evil.net/shop/web"]],
    ["shop/**", ["shop/web", "shop/web/ui"], ["shopping/web", "shop"]],
    [
      "registry.example.org/**",
      ["registry.example.org/x", "registry.example.org/x/y:1"],
      ["registry.example.org.evil.net/x", "registry.example.org:5000/x", "x"],
    ],
    [
      "*.example.org/x",
      ["eu.example.org/x"],
      ["a.b.example.org/x", "example.org/x", "example.org.evil.net/x", "evil.net/example.org/x"],
    ],
    ["localhost:5000/x", ["localhost:5000/x"], ["localhost/x", "localhost:5001/x"]],
    ["registry.example.org/team-*/app", ["registry.example.org/team-a/app"], ["registry.example.org/team-a/b/app"]],
    ["*", ["nginx", "redis"], ["shop/web", "ghcr.io/x"]],
    ["**", ["nginx", "shop/web", "ghcr.io/x/y", "localhost:5000/x"], []],
    ["**/web", ["shop/web", "ghcr.io/web"], ["shop/web2", "shop/webs/x"]],
    ["**.example.org/**", ["a.b.example.org/x", "eu.example.org/x/y"], ["eu.example.net/x"]],
  ];
  for (const [pattern, allowed, refused] of table) {
    for (const reference of allowed) assert.equal(allows(pattern, reference), true, `${pattern} allows ${reference}`);
    for (const reference of refused) assert.equal(allows(pattern, reference), false, `${pattern} refuses ${reference}`);
  }
});

test("a block-list misses no other name of the same image", () => {
  for (const reference of [
    "nginx",
    "docker.io/nginx",
    "docker.io/library/nginx",
    "index.docker.io/nginx",
    "index.docker.io/library/nginx",
    "registry-1.docker.io/library/nginx",
    "Docker.IO/library/nginx",
    "DOCKER.IO/nginx",
    "registry-1.docker.io/nginx",
    "docker.io:443/library/nginx",
    `nginx@sha256:${hex}`,
    `nginx:any@sha256:${hex}`,
  ]) {
    assert.equal(denies("nginx", reference), true, reference);
  }
  assert.equal(denies("ghcr.io/evil/**", "GHCR.io:443/evil/x"), true);
  assert.equal(denies("GHCR.io/evil/**", "ghcr.io/evil/x"), true, "the pattern's case does not count either");
});

test("a tag that stands before a digest is believed by no allow-list, and by every block-list", () => {
  assert.equal(allows("nginx:1.*", "nginx:1.27"), true);
  assert.equal(allows("nginx:1.*", "nginx:2"), false);
  assert.equal(allows("nginx:1.*", "nginx"), false, "without a tag it is latest");
  assert.equal(allows("nginx:1.*", `nginx:1.27@sha256:${hex}`), false);
  assert.equal(denies("nginx:1.*", `nginx:1.27@sha256:${hex}`), true);
});

test("a pattern with a digest means that image and no other", () => {
  assert.equal(allows(`nginx@sha256:${hex}`, `docker.io/nginx:9@sha256:${hex}`), true);
  assert.equal(allows(`nginx@sha256:${hex}`, `nginx@sha256:${other}`), false);
  assert.equal(allows(`nginx@sha256:${hex}`, "nginx"), false);
  assert.equal(allows(`**@sha256:${hex}`, `ghcr.io/x@sha256:${hex}`), true);
  assert.equal(denies(`nginx@sha256:${hex}`, `nginx@sha256:${other}`), false);
});

test("what is no pattern is none", () => {
  for (const text of [
    "",
    "/",
    "a//b",
    "NGINX",
    "nginx:",
    "nginx@sha256:1",
    "https://x.io/y",
    "example.org*/x",
    "ex*.org/x",
    "a b",
    "x".repeat(513),
  ]) {
    assert.equal(parsePattern(text), undefined, JSON.stringify(text));
  }
});

test("every reference is matched by itself as a pattern", () => {
  const references = fc
    .tuple(
      fc.constantFrom("", "ghcr.io/", "localhost:5000/", "index.docker.io/", "a.b.c:1/"),
      fc.array(fc.stringMatching(/^[a-z0-9]{1,6}(-[a-z0-9]{1,3})?$/), { minLength: 1, maxLength: 4 }),
      fc.constantFrom("", ":1", ":v2.3"),
    )
    .map(([registry, parts, tag]) => `${registry}${parts.join("/")}${tag}`)
    .filter((text) => parseImage(text) !== undefined);
  fc.assert(
    fc.property(references, (reference) => {
      assert.equal(allows(reference, reference), true);
      assert.equal(denies(reference, reference), true);
    }),
    { numRuns: 200 },
  );
});

test("stars match as a regular expression of the same meaning does", () => {
  const text = fc.stringMatching(/^[ab/]{0,12}$/);
  const glob = fc.array(fc.constantFrom("a", "b", "/", "*", "**"), { maxLength: 8 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(glob, text, (pattern, subject) => {
      const source = parseGlob(pattern).map((part) => (part === "**" ? ".*" : part === "*" ? "[^/]*" : part));
      assert.equal(
        matchesGlob(parseGlob(pattern), subject),
        new RegExp(`^${source.join("")}$`).test(subject),
        `${pattern} on ${subject}`,
      );
    }),
    { numRuns: 2_000 },
  );
});

test("a hostile reference with a long path is matched in linear time", () => {
  const pattern = parsePattern(`registry.example.org/${"*a".repeat(120)}b`);
  const image = parseImage(`registry.example.org/${"a".repeat(255)}`);
  assert.ok(pattern && image);
  const startedAt = performance.now();
  for (let round = 0; round < 100; round++) assert.equal(allowsImage(pattern, image), false);
  assert.ok(performance.now() - startedAt < 2_000, "a hundred times in a blink");
});
