/**
 * A sandbox without processes as a process of its own, with Fairlead's resources, and a count of who asked it for what. Tells
 * where its kubeconfig is; told "counts", what has been asked since the last time; told "collect", gives back what memory it can.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock as clock } from "../../src/base/clock.ts";
import { parseDocuments } from "../../src/base/document.ts";
import { silentLog } from "../../src/base/log.ts";
import { connectKube } from "../../src/kube/connect.ts";
import { isJsonObject } from "../../src/kube/object.ts";
import { customResourceDefinitions } from "../../src/kube/resources.ts";
import { createSandbox } from "../../src/sandbox/sandbox.ts";
import { loadClient } from "./load-client.ts";

let counts = new Map<string, number>();
const sandbox = await createSandbox({
  log: silentLog,
  processes: false,
  history: 20_000,
  onRequest({ method, path, isWatch, client }) {
    if (client.startsWith(loadClient)) return;
    const verb = isWatch ? "WATCH" : method;
    const what = `${verb} ${generalised(path)}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  },
});

const directory = await mkdtemp(join(tmpdir(), "fairlead-bench-"));
const kubeconfig = join(directory, "kubeconfig");
await writeFile(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
const kube = await connectKube({ kubeconfig, clock });
const folder = new URL("../../charts/fairlead/crds/", import.meta.url);
for (const file of (await readdir(folder)).filter((name) => name.endsWith(".yaml"))) {
  for (const { value } of parseDocuments(await readFile(new URL(file, folder), "utf8"), file)) {
    if (isJsonObject(value))
      await kube.client.create(
        customResourceDefinitions,
        customResourceDefinitions.parse(value),
        AbortSignal.timeout(10_000),
      );
  }
}
await kube.close();

process.on("SIGINT", () => undefined);
process.on("message", () => {
  process.send?.(Object.fromEntries(counts));
  counts = new Map();
});
process.on("disconnect", () => {
  void sandbox
    .close()
    .then(() => rm(directory, { recursive: true, force: true }))
    .then(() => process.exit(0));
});
process.send?.({ kubeconfig, url: sandbox.url, token: sandbox.token });

/** A path without the names in it. */
function generalised(path: string): string {
  return path
    .replace(/\/namespaces\/[^/]+/, "/namespaces/*")
    .replace(/^(\/api\/v1|\/apis\/[^/]+\/[^/]+)((?:\/namespaces\/\*)?\/[^/]+)\/[^/]+/, "$1$2/*");
}
