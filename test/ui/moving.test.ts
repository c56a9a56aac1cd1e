/** How somebody gets about: addresses, keys, what the palette finds, which lines of a list are drawn. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bindingOf } from "../../ui/src/model/command.ts";
import { bestMatches } from "../../ui/src/model/matching.ts";
import { matchPath } from "../../ui/src/model/page-paths.ts";
import { scrollTo, windowOf } from "../../ui/src/model/window.ts";
import { Address } from "../../ui/src/state/address.ts";
import { Registry } from "../../ui/src/state/registry.ts";
import { nextTheme, readTheme } from "../../ui/src/state/theme.ts";

const find = (typed: string, titles: readonly string[]) => bestMatches(titles, typed, (title) => title, 3);

test("the palette finds by letters in their order, and the likeliest first", () => {
  const titles = ["Overview", "Apps", "web default", "cron-report default", "Change the theme"];
  assert.deepEqual(find("app", titles), ["Apps"]);
  assert.deepEqual(find("cr", titles)[0], "cron-report default");
  assert.deepEqual(find("ct", titles)[0], "Change the theme", "by the beginnings of words");
  assert.deepEqual(find("zz", titles), []);
  assert.deepEqual(find("", titles), titles.slice(0, 3), "no more than are asked for");
});

test("a key does nothing while somebody writes, unless it is held with Ctrl", () => {
  const done: string[] = [];
  const bindings = ["j", "Ctrl-k", "?"].map((key) => ({ key, title: key, run: () => void done.push(key) }));
  const press = (key: string, isWriting = false, held = false): void =>
    bindingOf(bindings, { key, ctrlKey: held, metaKey: false, altKey: false }, isWriting)?.run();
  press("j");
  press("j", true);
  press("K", true, true);
  press("k");
  press("j", false, true);
  press("?");
  assert.deepEqual(done, ["j", "Ctrl-k", "?"]);
});

test("a path is that of one page, whatever stands for its names", () => {
  assert.deepEqual(matchPath("/apps", "/apps"), {});
  assert.deepEqual(matchPath("/peers/:peer", "/peers/berlin%20x"), { peer: "berlin x" });
  for (const path of ["/peers", "/peers/", "/peers/a/b", "/apps/a"])
    assert.equal(matchPath("/peers/:peer", path), undefined);
});

test("of a long list what is seen is drawn, with some to spare, and never nothing", () => {
  const at = (scrolledPx: number, count = 5_000) => windowOf({ count, rowPx: 36, scrolledPx, heightPx: 720 });
  assert.deepEqual(at(0), { from: 0, to: 33 });
  assert.deepEqual(at(36_000), { from: 988, to: 1033 });
  assert.deepEqual(at(180_000), { from: 4_967, to: 5_000 });
  assert.deepEqual(at(180_000, 3), { from: 0, to: 3 }, "the list became short while it was scrolled");
  for (const scrolled of [0, 35, 1_000, 90_001]) {
    const { from, to } = at(scrolled);
    assert.ok(from * 36 <= scrolled && to * 36 >= scrolled + 720, String(scrolled));
  }
});

test("a line that is seen is not scrolled to, and another as little as it takes", () => {
  const to = (index: number) => scrollTo({ index, rowPx: 36, scrolledPx: 360, heightPx: 720 });
  assert.deepEqual([to(10), to(29), to(9), to(30)], [360, 360, 324, 396]);
});

test("an address is gone to, refined without a step back, and left for no other origin", () => {
  const listeners = new Set<() => void>();
  const steps: string[] = [];
  const bar = {
    location: { href: "http://console.example/apps?q=a", origin: "http://console.example" },
    history: {
      pushState: (_data: unknown, _title: string, url?: string | URL | null) => void steps.push(`push ${url}`),
      replaceState: (_data: unknown, _title: string, url?: string | URL | null) => void steps.push(`replace ${url}`),
    },
    addEventListener: (_name: string, listener: () => void) => void listeners.add(listener),
    removeEventListener: (_name: string, listener: () => void) => void listeners.delete(listener),
  };
  const address = new Address(bar);
  address.refine(new URLSearchParams("q=ab"));
  address.refine(new URLSearchParams("q=ab"));
  address.refine(new URLSearchParams());
  assert.equal(address.url.href, "http://console.example/apps");
  address.go("/");
  address.go("https://elsewhere.example/");
  assert.deepEqual(steps, [
    "replace http://console.example/apps?q=ab",
    "replace http://console.example/apps",
    "push http://console.example/",
  ]);
  for (const listener of listeners) listener();
  assert.equal(address.url.searchParams.get("q"), "a", "back");
  address.close();
  assert.equal(listeners.size, 0);
});

test("what a page has added comes before what was there, and goes with it", () => {
  const registry = new Registry<string>();
  registry.add(() => ["shell"]);
  const leave = registry.add(() => ["page"]);
  assert.deepEqual(registry.list(), ["page", "shell"]);
  leave();
  assert.deepEqual(registry.list(), ["shell"]);
});

test("a theme that is none counts as that of the machine", () => {
  assert.equal(readTheme({ getItem: () => "sepia" }), "auto");
  assert.deepEqual([nextTheme("auto"), nextTheme("light"), nextTheme("dark")], ["light", "dark", "auto"]);
});
