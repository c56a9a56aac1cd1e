import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { AppView } from "../../src/console/doors/app-view.ts";
import { doorKey } from "../../src/console/doors/app-view.ts";
import { indexHostNames } from "../../src/console/doors/host-names.ts";

function app(namespace: string, name: string, ports: AppView["ports"] = [{ number: 80 }]): AppView {
  return { namespace, name, uid: `${namespace}/${name}`, peer: "there", ports };
}

function only(view: AppView) {
  const [port] = view.ports;
  assert.ok(port);
  return { app: view, port };
}

describe("host names of apps", () => {
  test("are read by name and by number of the port, and written with the name", () => {
    const web = app("shop", "web", [{ name: "http", number: 8080 }]);
    const names = indexHostNames([web]);
    assert.equal(names.labelOf(only(web)), "web-shop-http");
    assert.equal(names.find("web-shop-http")?.app, web);
    assert.equal(names.find("web-shop-8080")?.app, web);
    assert.equal(names.find("web-shop"), undefined);
  });

  test("that two apps would share belong to neither; both get one with a hash", () => {
    const one = app("b-c", "a");
    const two = app("c", "a-b");
    const names = indexHostNames([one, two]);
    assert.equal(names.find("a-b-c-80"), undefined);
    assert.notEqual(names.labelOf(only(one)), names.labelOf(only(two)));
    assert.equal(names.find(names.labelOf(only(one)))?.app, one);
    assert.equal(names.find(names.labelOf(only(two)))?.app, two);
  });

  test("cannot be taken by somebody who calls a port like another's hash", () => {
    const victim = app("shop", "web", [{ name: "http", number: 80 }]);
    const rival = app("http", "web-shop", [{ name: "", number: 80 }]);
    const shared = app("shop", "web", [{ name: "http", number: 81 }]);
    // Two ports of one readable name: both get their hashed one, which everybody can compute.
    const label = indexHostNames([victim, { ...shared, uid: "other" }]).labelOf(only(victim));
    assert.match(label, /-[0-9a-f]{16}$/, "64 bits, for which nobody finds a second name");
    const hash = label.slice(label.lastIndexOf("-") + 1);
    const thief = app("shop-http", "web", [{ name: hash, number: 7 }]);
    const names = indexHostNames([victim, rival, thief]);
    assert.equal(names.find(label)?.app, victim);
    assert.notEqual(names.labelOf(only(thief)), label);
    assert.equal(names.find(names.labelOf(only(thief)))?.app, thief);
  });

  test("are the same after changes as when they are made anew", () => {
    const port = fc.record({ number: fc.integer({ min: 1, max: 3 }), name: fc.constantFrom("1", "web", undefined) });
    const change = fc.record({
      namespace: fc.constantFrom("a", "a-b"),
      name: fc.constantFrom("c", "b-c", "c-1"),
      ports: fc.option(fc.array(port, { maxLength: 3 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const followed = indexHostNames([]);
        const apps = new Map<string, AppView>();
        for (const { namespace, name, ports } of changes) {
          const now =
            ports &&
            app(
              namespace,
              name,
              ports.map(({ number, name: called }) => ({ number, ...(called && { name: called }) })),
            );
          followed.set(namespace, name, now);
          apps.delete(`${namespace}/${name}`);
          if (now) apps.set(`${namespace}/${name}`, now);
        }
        const anew = indexHostNames([...apps.values()]);
        for (const each of apps.values()) {
          for (const door of each.ports.map((one) => ({ app: each, port: one }))) {
            const label = anew.labelOf(door);
            assert.equal(followed.labelOf(door), label);
            assert.equal(followed.find(label)?.app, anew.find(label)?.app);
          }
        }
        for (const label of ["c-a-1", "c-a-b-1", "b-c-a-1", "c-1-a-1", "c-a-web"]) {
          assert.equal(followed.find(label)?.app, anew.find(label)?.app);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("always fit a DNS label, lead back to their app, and differ", () => {
    const part = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$/);
    const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9.]{0,60}[a-z0-9])?$/);
    const view = fc.record({ namespace: part, name, number: fc.integer({ min: 1, max: 65535 }) });
    fc.assert(
      fc.property(fc.uniqueArray(view, { maxLength: 8, selector: (v) => `${v.namespace}/${v.name}` }), (views) => {
        const apps = views.map((v) => app(v.namespace, v.name, [{ number: v.number }]));
        const names = indexHostNames(apps);
        const labels = apps.map((each) => names.labelOf(only(each)));
        for (const [i, label] of labels.entries()) {
          assert.match(label, /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
          const found = names.find(label);
          const each = apps[i];
          assert.ok(found && each);
          assert.equal(doorKey(found), doorKey(only(each)));
        }
        assert.equal(new Set(labels).size, labels.length);
      }),
      { numRuns: 300 },
    );
  });
});
