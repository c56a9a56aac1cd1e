/**
 * Takes from a real API server the definitions of Kubernetes' published schema that our resources refer to, with all that
 * those refer to:
 *
 *     for group in api/v1 apis/apps/v1 apis/batch/v1; do kubectl get --raw /openapi/v3/$group >"$(basename $(dirname $group)).json"; done
 *     node proto/kubernetes/reduce.ts api.json apps.json batch.json > proto/kubernetes/published.json
 */
import { readFileSync } from "node:fs";

/** The definitions that protos name by the options `kubernetes`. */
const wanted = [
  "io.k8s.api.apps.v1.DeploymentStrategy",
  "io.k8s.api.apps.v1.StatefulSetSpec",
  "io.k8s.api.batch.v1.CronJobSpec",
  "io.k8s.api.batch.v1.JobSpec",
  "io.k8s.api.core.v1.Container",
  "io.k8s.api.core.v1.PersistentVolumeClaimSpec",
  "io.k8s.api.core.v1.PodSpec",
  "io.k8s.apimachinery.pkg.apis.meta.v1.Condition",
];

const prefix = "#/components/schemas/";
interface Published {
  info: { version: string };
  components: { schemas: Record<string, unknown> };
}
const documents: Published[] = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
const schemas: Record<string, unknown> = Object.assign({}, ...documents.map(({ components }) => components.schemas));
const definitions: Record<string, unknown> = {};
wanted.forEach(take);
const sorted = Object.fromEntries(Object.entries(definitions).sort(([a], [b]) => (a < b ? -1 : 1)));
const source = `/openapi/v3 of kube-apiserver ${documents[0]?.info.version}`;
process.stdout.write(`${JSON.stringify({ source, definitions: sorted }, null, 2)}\n`);

function take(name: string): void {
  if (name in definitions) return;
  const definition = schemas[name];
  if (!definition) throw new Error(`The API server publishes no ${name}.`);
  definitions[name] = definition;
  for (const [, reference] of JSON.stringify(definition).matchAll(/"\$ref":"([^"]+)"/g)) {
    if (reference?.startsWith(prefix)) take(reference.slice(prefix.length));
  }
}
