import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import type { DescMessage } from "@bufbuild/protobuf";
import { consoleServices } from "../../../docs/generate-access.ts";
import * as accessLists from "../../../src/console/api/access-lists.ts";
import type { ListOf } from "../../../src/console/api/listing.ts";
import * as lists from "../../../src/console/api/lists.ts";

/** Those that any list of things is, whatever they are. */
type AnyList = Pick<ListOf<never>, "kind" | "labels" | "fields" | "order">;

function row({ kind, labels, fields, order }: AnyList): string {
  const names = Object.keys(fields).map((name) => `\`${name}\``);
  return `| ${kind} | ${labels ? "yes " : ""}| ${names.join(" ")} | ${order ? `\`${order}\` ` : ""}|`;
}

const known = { ...lists, ...accessLists };

function wordsOf({ fields }: DescMessage): string[] {
  return fields.filter(({ number }) => number >= 10).map(({ name, number }) => `${name} = ${number}`);
}

suite("the lists of the API", () => {
  test("are told in docs/lists.md with each field that they know", () => {
    const page = readFileSync(new URL("../../../docs/lists.md", import.meta.url), "utf8");
    const told = page.slice(page.indexOf("| list |")).trim().split("\n").slice(2);
    assert.deepEqual(told.sort(), Object.values<AnyList>(known).map(row).sort());
  });

  test("are asked for by the same words under the same numbers, and answer by the same", async () => {
    const listed = (await consoleServices())
      .flatMap(({ methods }) => methods)
      .filter(({ name }) => name.startsWith("List"));
    assert.ok(listed.length >= Object.keys(known).length);
    const labelled = new Set(
      Object.values<AnyList>(known).flatMap(({ kind, labels }) =>
        labels ? `List${kind.replace(/^./, (c) => c.toUpperCase())}` : [],
      ),
    );
    for (const { name, input, output } of listed) {
      // The first list that there was had its labels before there were other words.
      const labels = labelled.has(name) && name !== "ListApps" ? ["label_selector = 10"] : [];
      const words = [...labels, "field_selector = 11", "order_by = 12", "page_size = 13", "page_token = 14"];
      assert.deepEqual(wordsOf(input), words, name);
      assert.deepEqual(wordsOf(output), ["next_page_token = 10", "total_size = 11"], name);
    }
  });
});
