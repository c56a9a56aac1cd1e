import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { digestOf, startRegistry, type TestRegistry, token } from "./registry.ts";
import { imagePolicy, startTwoEnds, type TwoEnds } from "./two-ends.ts";

const big = randomBytes(3 * 1024 * 1024 + 17);

function pathOf(registry: TestRegistry, kind: "blobs" | "manifests", digest: string, repository = "shop/web"): string {
  return `tokyo/${registry.host.replace(":", "__")}/${repository}/${kind}/${digest}`;
}

/** The error body of the distribution specification. */
async function errorOf(answer: Response): Promise<string> {
  const body: unknown = await answer.json();
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
  const text = JSON.stringify(body);
  assert.match(text, /^\{"errors":\[\{"code":"[A-Z_]+","message":"[^"].*"\}\]\}$/s);
  return text;
}

async function worlds(): Promise<{ registry: TestRegistry; ends: TwoEnds } & AsyncDisposable> {
  const registry = await startRegistry();
  const ends = await startTwoEnds(registry.host);
  return {
    registry,
    ends,
    async [Symbol.asyncDispose]() {
      await ends[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

suite("a node that pulls through the link", () => {
  test("gets manifests and blobs byte for byte, with the heads that runtimes look for", async () => {
    await using world = await worlds();
    const { registry, ends } = world;
    const manifest = Buffer.from('{"schemaVersion":2}');
    const [m, b] = [registry.put("manifests", manifest), registry.put("blobs", big)];
    const head = await ends.pull(pathOf(registry, "manifests", m), { method: "HEAD" });
    assert.equal(head.status, 200);
    assert.equal(head.headers.get("docker-content-digest"), m);
    assert.equal(head.headers.get("content-length"), String(manifest.length));
    assert.equal(head.headers.get("content-type"), "application/vnd.oci.image.manifest.v1+json");
    const got = await ends.pull(pathOf(registry, "manifests", m));
    assert.equal(await got.text(), manifest.toString());
    const blob = await ends.pull(pathOf(registry, "blobs", b));
    assert.equal(blob.headers.get("content-length"), String(big.length));
    assert.equal(digestOf(Buffer.from(await blob.arrayBuffer())), b);
    assert.equal(ends.door.look().served, 3);
    assert.equal(ends.server.sentBytes, manifest.length + big.length);
    const accepted = registry.asked.find(({ url }) => url.includes("/manifests/"))?.headers.accept ?? "";
    assert.match(accepted, /oci\.image\.index/);
  });

  test("gets ranges as it asks for them", async () => {
    await using world = await worlds();
    const { registry, ends } = world;
    const digest = registry.put("blobs", big);
    const path = pathOf(registry, "blobs", digest);
    const ranges = [
      ["bytes=1000-", 1000, big.length],
      ["bytes=5-9", 5, 10],
      ["bytes=0-", 0, big.length],
      [`bytes=${big.length - 1}-${big.length + 90}`, big.length - 1, big.length],
    ] as const;
    for (const [range, first, end] of ranges) {
      const answer = await ends.pull(path, { headers: { range } });
      assert.equal(answer.status, 206, range);
      assert.equal(answer.headers.get("content-range"), `bytes ${first}-${end - 1}/${big.length}`);
      assert.ok(Buffer.from(await answer.arrayBuffer()).equals(big.subarray(first, end)), range);
    }
    const beyond = await ends.pull(path, { headers: { range: `bytes=${big.length}-` } });
    assert.equal(beyond.status, 416);
    await errorOf(beyond);
  });

  test("goes on behind the last byte when the registry breaks off, and again", async () => {
    await using world = await worlds();
    const { registry, ends } = world;
    const digest = registry.put("blobs", big);
    registry.cuts.push(700_000, 100_000, 0, 1_000_000);
    const answer = await ends.pull(pathOf(registry, "blobs", digest));
    assert.equal(digestOf(Buffer.from(await answer.arrayBuffer())), digest);
    const firsts = registry.asked
      .slice(1)
      .map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1]));
    assert.equal(firsts.length, 4);
    assert.ok(
      firsts.every((first, index) => first > 0 && first >= (firsts[index - 1] ?? 0)),
      String(firsts),
    );
  });

  test("never gets the last byte of what is not what its digest says", async () => {
    await using world = await worlds();
    const { registry, ends } = world;
    const digest = registry.put("blobs", big);
    for (const at of [0, 1_000_000, big.length - 1]) {
      registry.spoil = (bytes) => {
        const other = Buffer.from(bytes);
        other[at] = (other[at] ?? 0) ^ 1;
        return other;
      };
      const answer = await ends.pull(pathOf(registry, "blobs", digest));
      await assert.rejects(answer.arrayBuffer(), `a wrong byte at ${at}`);
    }
    // Of what is small, nothing was said yet, so it can be said what is wrong.
    const small = registry.put("blobs", Buffer.from("small"));
    registry.spoil = () => Buffer.from("smell");
    const answer = await ends.pull(pathOf(registry, "blobs", small));
    assert.equal(answer.status, 502);
    assert.match(await errorOf(answer), /DIGEST_INVALID/);
    const manifest = registry.put("manifests", Buffer.from("{}"));
    registry.spoil = () => Buffer.from("[]");
    const spoilt = await ends.pull(pathOf(registry, "manifests", manifest));
    assert.equal(spoilt.status, 502);
    assert.match(await errorOf(spoilt), /DIGEST_INVALID/);
    const rules = ends.audited.host.map(({ action, rule, verdict }) => `${action} ${verdict} ${rule}`);
    assert.deepEqual(new Set(rules), new Set(["image.pull failed images/damaged"]));
    assert.equal(rules.length, 5);
  });

  test("is not served a blob that is longer or shorter than it says, or whose registry knows no ranges", async () => {
    await using world = await worlds();
    const { registry, ends } = world;
    const digest = registry.put("blobs", big);
    registry.ranges = false;
    registry.cuts.push(500_000);
    const answer = await ends.pull(pathOf(registry, "blobs", digest));
    await assert.rejects(answer.arrayBuffer());
    const asked = await ends.pull(pathOf(registry, "blobs", digest), { headers: { range: "bytes=5-" } });
    assert.equal(asked.status, 502);
    await errorOf(asked);
  });

  test("is told in the specification's words what is not there, not allowed, or no pull", async () => {
    await using world = await worlds();
    const { registry, ends } = world;
    const none = `sha256:${"0".repeat(64)}`;
    const cases = [
      [pathOf(registry, "blobs", none), {}, 404, /BLOB_UNKNOWN/],
      [pathOf(registry, "manifests", none), {}, 404, /MANIFEST_UNKNOWN/],
      [pathOf(registry, "manifests", "latest"), {}, 400, /by digest/],
      [pathOf(registry, "blobs", none), { method: "DELETE" }, 405, /only pulled/],
      [pathOf(registry, "blobs", `${none}`).replace("blobs", "uploads"), {}, 404, /UNSUPPORTED/],
      [pathOf(registry, "blobs", none).replace("tokyo", "osaka"), {}, 403, /pull secret is for the images of tokyo/],
      [`tokyo/other.example.org/web/blobs/${none}`, {}, 403, /images\/registry/],
      [`tokyo/docker.io/nginx/blobs/${none}`, {}, 404, /NAME_INVALID|names no image/],
      ["_catalog", {}, 404, /UNSUPPORTED/],
    ] as const;
    for (const [path, init, status, text] of cases) {
      const answer = await ends.pull(path, init);
      assert.equal(answer.status, status, path);
      assert.match(await errorOf(answer), text, path);
    }
    registry.wants = "nobody";
    const refused = await ends.pull(pathOf(registry, "blobs", none));
    assert.equal(refused.status, 403);
    assert.match(await errorOf(refused), /does not let/);
    assert.equal((await ends.pull("")).status, 200);
  });

  test("shows its pull secret at each request, or gets nothing", async () => {
    await using world = await worlds();
    const { registry, ends } = world;
    const digest = registry.put("blobs", big);
    const wrong = [
      "",
      "Basic",
      "Bearer x",
      `Basic ${Buffer.from("tokyo:").toString("base64")}`,
      `Basic ${Buffer.from("nobody:x").toString("base64")}`,
      `Basic ${Buffer.from(":").toString("base64")}`,
      ends.authorization("nobody"),
      // Another peer's password.
      `Basic ${Buffer.from(`tokyo:${Buffer.from(ends.authorization("osaka").slice(6), "base64").toString().slice(6)}`).toString("base64")}`,
    ];
    for (const authorization of wrong) {
      for (const path of ["", pathOf(registry, "blobs", digest)]) {
        const answer = await ends.pull(path, { headers: { authorization } });
        assert.equal(answer.status, 401, authorization);
        assert.match(answer.headers.get("www-authenticate") ?? "", /^Basic realm=/);
        assert.match(await errorOf(answer), /UNAUTHORIZED/);
      }
    }
    const osaka = await ends.pull(pathOf(registry, "blobs", digest), {
      headers: { authorization: ends.authorization("osaka") },
    });
    assert.equal(osaka.status, 403);
    await osaka.arrayBuffer();
    assert.equal(registry.asked.length, 0);
  });

  test("gets nothing when the host's policy takes it back, and what is under way ends when the origin's does", async () => {
    await using world = await worlds();
    const { registry, ends } = world;
    const digest = registry.put("blobs", big);
    ends.mayPull = false;
    const refused = await ends.pull(pathOf(registry, "blobs", digest));
    assert.equal(refused.status, 403);
    assert.match(await errorOf(refused), /workloads\.pullThrough/);
    ends.mayPull = true;
    const huge = registry.put("blobs", Buffer.alloc(64 * 1024 * 1024));
    const answer = await ends.pull(pathOf(registry, "blobs", huge));
    const reader = answer.body?.getReader();
    await reader?.read();
    ends.policy = imagePolicy([{ registry: registry.host, repositories: ["other/*"], plainHttp: true }]);
    ends.server.review();
    await assert.rejects(async () => {
      for (;;) if ((await reader?.read())?.done) return;
    });
    const again = await ends.pull(pathOf(registry, "blobs", huge));
    assert.equal(again.status, 403);
    assert.match(await errorOf(again), /images\/repository/);
  });

  test("leaves nothing behind when it goes away in the middle", async () => {
    await using world = await worlds();
    const { registry, ends } = world;
    const huge = registry.put("blobs", Buffer.alloc(64 * 1024 * 1024));
    const gone = new AbortController();
    const answer = await ends.pull(pathOf(registry, "blobs", huge), { signal: gone.signal });
    await answer.body?.getReader().read();
    assert.equal(ends.server.size, 1);
    gone.abort();
    const end = Date.now() + 20_000;
    while (ends.server.size > 0) {
      assert.ok(Date.now() < end, "the stream is still open");
      await new Promise((resolve) => setImmediate(resolve));
    }
  });

  test("waits for its turn among many, and all come", async () => {
    await using world = await worlds();
    const { registry, ends } = world;
    const blobs = Array.from({ length: 40 }, () => randomBytes(20_000));
    const digests = blobs.map((bytes) => registry.put("blobs", bytes));
    let open: () => void = () => undefined;
    registry.gate = new Promise((resolve) => {
      open = resolve;
    });
    const pulls = digests.map((digest) => ends.pull(pathOf(registry, "blobs", digest)));
    const end = Date.now() + 20_000;
    while (registry.asked.length < 16) {
      assert.ok(Date.now() < end, `${registry.asked.length} were asked for`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(ends.server.size <= 16, `${ends.server.size} at once`);
    open();
    for (const [index, pull] of pulls.entries()) {
      assert.equal(digestOf(Buffer.from(await (await pull).arrayBuffer())), digests[index]);
    }
  });
});

suite("what a registry wants to see", () => {
  for (const wants of ["nothing", "basic", "bearer"] as const) {
    test(`is shown where it wants ${wants}, and never leaves the origin`, async () => {
      await using world = await worlds();
      const { registry, ends } = world;
      registry.wants = wants;
      const digest = registry.put("blobs", big);
      for (let round = 0; round < 2; round += 1) {
        const answer = await ends.pull(pathOf(registry, "blobs", digest));
        assert.equal(
          createHash("sha256")
            .update(Buffer.from(await answer.arrayBuffer()))
            .digest("hex"),
          digest.slice(7),
        );
        const told = JSON.stringify([...answer.headers]);
        assert.ok(!told.includes("pa:ss") && !told.includes(token));
      }
      const count = registry.asked.filter(({ url }) => url.startsWith("/token")).length;
      // A token is asked for once, for reading this repository.
      assert.equal(count, wants === "bearer" ? 1 : 0);
      if (count > 0) {
        const asked = new URL(registry.asked.find(({ url }) => url.startsWith("/token"))?.url ?? "", "http://x");
        assert.equal(asked.searchParams.get("scope"), "repository:shop/web:pull");
        assert.equal(asked.searchParams.get("service"), "test, of sorts");
      }
      assert.equal(registry.asked.length, { nothing: 2, basic: 3, bearer: 4 }[wants]);
    });
  }

  test("is not shown to the store that it redirects to", async () => {
    await using store = await startRegistry();
    await using world = await worlds();
    const { registry, ends } = world;
    registry.wants = "bearer";
    registry.redirect = `http://${store.host}`;
    const digest = registry.put("blobs", big);
    store.put("blobs", big);
    const answer = await ends.pull(pathOf(registry, "blobs", digest), { headers: { range: "bytes=7-" } });
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(big.subarray(7)));
    assert.equal(store.asked.length, 1);
    assert.equal(store.asked[0]?.headers.authorization, undefined);
    assert.equal(store.asked[0]?.headers.range, "bytes=7-");
    assert.match(store.asked[0]?.url ?? "", /signed=yes/);
    registry.redirect = `http://${registry.host}`;
    const endless = await ends.pull(pathOf(registry, "blobs", digest));
    assert.equal(endless.status, 503);
    assert.match(await errorOf(endless), /redirects more than/);
  });
});
