/** How an origin reaches registries: the Secret that a policy names, and TLS by the certificate authority in it. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { createAccess } from "../../src/images/origin/access.ts";
import { createUpstream } from "../../src/images/origin/upstream.ts";
import type { Secret } from "../../src/kube/resources.ts";
import { encodeData } from "../../src/kube/secret-data.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { newAuthority, newLeaf } from "../identity/forge-chain.ts";
import { startRegistry, user } from "./registry.ts";

const signal = (): AbortSignal => AbortSignal.timeout(20_000);
const registry = "registry.example.org:5000";
const rule = { registry, repositories: [], plainHttp: false, secret: "registry" };

/** With this as the operator's Secret. */
function accessBy(secret: Pick<Secret, "type" | "data"> | undefined) {
  const clock = createFakeClock();
  const given = { secret, asked: 0, clock };
  const find = createAccess({
    client: {
      async get(kind, { namespace = "", name = "" }) {
        given.asked += 1;
        assert.equal(`${namespace}/${name}`, "fairlead-system/registry");
        const metadata = { namespace, name, uid: "u", resourceVersion: String(given.asked) };
        return (
          given.secret && kind.parse({ metadata, type: given.secret.type ?? null, data: { ...given.secret.data } })
        );
      },
    },
    namespace: "fairlead-system",
    clock,
  });
  return Object.assign(given, { find: (asked = rule) => find(asked, signal()) });
}

const dockerConfig = (auths: unknown): Pick<Secret, "type" | "data"> => ({
  type: "kubernetes.io/dockerconfigjson",
  data: encodeData({ ".dockerconfigjson": JSON.stringify({ auths }) }),
});

suite("the Secret of a registry", () => {
  const auth = Buffer.from(`${user.username}:${user.password}`).toString("base64");
  const both = { username: user.username, password: user.password };
  const same: Record<string, Pick<Secret, "type" | "data">> = {
    "as kubectl writes it": dockerConfig({ [registry]: { ...both, auth, email: "" } }),
    "as docker login writes it": dockerConfig({ [registry]: { auth } }),
    "by its URL, beside others": dockerConfig({ "ghcr.io": { auth: "eDp5" }, [`https://${registry}/v2/`]: { auth } }),
    "of the type basic-auth": { type: "kubernetes.io/basic-auth", data: encodeData(both) },
  };
  for (const [how, secret] of Object.entries(same)) {
    test(`is understood ${how}`, async () => {
      const access = await accessBy(secret).find();
      assert.equal(access.base, `https://${registry}`);
      assert.equal(access.credentials?.username, user.username);
      assert.equal(access.credentials?.password.reveal(), user.password);
      assert.ok(!JSON.stringify(access).includes(user.password), "it does not say it by itself");
    });
  }

  test("of Docker Hub goes by the name that docker gives it", async () => {
    const { find } = accessBy(dockerConfig({ "https://index.docker.io/v1/": { auth } }));
    const access = await find({ ...rule, registry: "docker.io" });
    assert.equal(access.base, "https://registry-1.docker.io");
    assert.equal(access.credentials?.password.reveal(), user.password);
  });

  const useless: Record<string, Pick<Secret, "type" | "data"> | undefined> = {
    "that is not there": undefined,
    "of another type": { type: "Opaque", data: encodeData(both) },
    "about another registry": dockerConfig({
      "registry.example.org": { auth },
      "registry.example.org:5000.evil": { auth },
    }),
    "without a colon": dockerConfig({ [registry]: { auth: Buffer.from("shop").toString("base64") } }),
    "that is no JSON": { type: "kubernetes.io/dockerconfigjson", data: encodeData({ ".dockerconfigjson": "{" }) },
    "without a password": { type: "kubernetes.io/basic-auth", data: encodeData({ username: user.username }) },
  };
  for (const [what, secret] of Object.entries(useless)) {
    test(`${what} is refused with its name and what it should be`, async () => {
      await assert.rejects(accessBy(secret).find(), ({ failure, message }) => {
        assert.equal(failure, "setup");
        assert.match(message, /Secret fairlead-system\/registry/);
        return true;
      });
    });
  }

  test("is read again after half a minute, and tells one password from the next", async () => {
    const given = accessBy(dockerConfig({ [registry]: both }));
    const first = await given.find();
    assert.equal((await given.find()).key, first.key);
    assert.equal(given.asked, 1);
    given.secret = dockerConfig({ [registry]: { ...both, password: "another" } });
    await given.clock.advance(30_000);
    const next = await given.find();
    assert.equal(next.credentials?.password.reveal(), "another");
    assert.notEqual(next.key, first.key);
  });
});

suite("a registry that speaks TLS", () => {
  const root = newAuthority(Date.now());
  const leaf = newLeaf(root, Date.now(), { names: [{ dns: "localhost" }] });
  const tls = { cert: leaf.pem, key: leaf.keyPem };
  const asked = { method: "GET", repository: "shop/web", kind: "blobs" } as const;

  async function start(ca: string | undefined) {
    const found = await startRegistry({ tls });
    found.wants = "basic";
    const data = encodeData({ ...user, ...(ca === undefined ? {} : { "ca.crt": ca }) });
    const { find } = accessBy({ type: "kubernetes.io/basic-auth", data });
    const upstream = createUpstream({ clock: systemClock });
    const digest = found.put("blobs", Buffer.from("a layer"));
    return {
      found,
      async ask(): Promise<string> {
        const access = await find({ ...rule, registry: found.host });
        const answer = await upstream.ask(access, { ...asked, reference: digest }, signal());
        return (await answer.toArray()).join("");
      },
      async [Symbol.asyncDispose]() {
        upstream.close();
        await found[Symbol.asyncDispose]();
      },
    };
  }

  test("is believed by the ca.crt of its Secret", async () => {
    await using world = await start(root.certPem);
    assert.equal(await world.ask(), "a layer");
  });

  test("is shown nothing without it, or with another's", async () => {
    for (const ca of [undefined, newAuthority(Date.now()).certPem]) {
      await using world = await start(ca);
      await assert.rejects(
        world.ask(),
        ({ failure, message }) => failure === "unreachable" && /certificate/.test(message),
      );
      assert.equal(world.found.asked.length, 0);
    }
  });

  test("is not followed to where TLS ends, nor asked for a token there", async () => {
    await using world = await start(root.certPem);
    await using store = await startRegistry();
    world.found.redirect = `http://${store.host}`;
    await assert.rejects(world.ask(), /redirects to where nothing is fetched from/);
    world.found.redirect = undefined;
    world.found.wants = "bearer";
    world.found.realm = `http://${store.host}/token`;
    await assert.rejects(world.ask(), /by plain HTTP, where no credentials are sent/);
    assert.equal(store.asked.length, 0);
  });
});
