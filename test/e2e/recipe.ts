/** The recipes of docs/ingress.md, so that what is tested is what is written there. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const page = readFileSync(new URL("../../docs/ingress.md", import.meta.url), "utf8");

/**
 * The code block of the page that stands below `<!-- recipe: name -->`, with each text of `changes` replaced by what belongs
 * to this test. All of them have to be there.
 */
export function recipe(name: string, changes: Readonly<Record<string, string>>): string {
  const block = new RegExp(`<!-- recipe: ${name} -->\\n+\`\`\`\\w*\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1];
  assert.ok(block, `docs/ingress.md has a recipe "${name}"`);
  return Object.entries(changes).reduce((text, [from, to]) => {
    assert.ok(text.includes(from), `the recipe "${name}" has ${JSON.stringify(from)}`);
    return text.replaceAll(from, to);
  }, block);
}
