/** The chart as Helm renders it, and its objects. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { findHelm } from "../../bin/helm.ts";
import { type Outcome, run } from "../e2e/command.ts";

export const chart = new URL("../../charts/fairlead", import.meta.url).pathname;

export interface Values {
  [name: string]: unknown;
}

/** An object of Kubernetes, of which tests look at what they want. */
// biome-ignore lint/suspicious/noExplicitAny: what it has depends on its kind, and a test that reads what is not there fails.
export type Manifest = any;

export class Rendered {
  readonly objects: readonly Manifest[];

  constructor(yaml: string) {
    this.objects = parseAllDocuments(yaml)
      .map((document) => document.toJS())
      .filter(Boolean);
  }

  /** The one object of that kind and name. */
  get(kind: string, name: string): Manifest {
    const found = this.objects.filter((object) => object.kind === kind && object.metadata.name === name);
    assert.equal(found.length, 1, `one ${kind} ${name}`);
    return found[0];
  }

  has(kind: string): boolean {
    return this.objects.some((object) => object.kind === kind);
  }
}

/** Runs `helm VERB … --values FILE`, whatever comes of it. */
export async function helm(args: readonly string[], values: Values = {}): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-chart-"));
  try {
    const file = join(folder, "values.json");
    writeFileSync(file, JSON.stringify(values));
    const env = { HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder };
    return await run(findHelm(), [...args, "--values", file], { env });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Renders the chart as a release "fairlead" in the namespace "ship", which has to succeed. */
export async function render(values: Values = {}): Promise<Rendered> {
  const { code, stdout, stderr } = await helm(["template", "fairlead", chart, "--namespace", "ship"], values);
  assert.equal(code, 0, stderr);
  return new Rendered(stdout);
}
