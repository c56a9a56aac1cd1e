/**
 * Takes from a real API server the definitions of Kubernetes' published schema that our resources refer to, with all that
 * those refer to:
 *
 *     kubectl get --raw /openapi/v3/api/v1 | node proto/kubernetes/reduce.ts > proto/kubernetes/published.json
 */
import { text } from "node:stream/consumers";

/** The definitions that protos name by the options `kubernetes`. */
const wanted = [
  "io.k8s.api.core.v1.EnvVar",
  "io.k8s.api.core.v1.ResourceRequirements",
  "io.k8s.apimachinery.pkg.apis.meta.v1.Condition",
];

const prefix = "#/components/schemas/";
const input: { info: { version: string }; components: { schemas: Record<string, unknown> } } = JSON.parse(
  await text(process.stdin),
);
const definitions: Record<string, unknown> = {};
wanted.forEach(take);
const sorted = Object.fromEntries(Object.entries(definitions).sort(([a], [b]) => (a < b ? -1 : 1)));
const source = `/openapi/v3/api/v1 of kube-apiserver ${input.info.version}`;
process.stdout.write(`${JSON.stringify({ source, definitions: sorted }, null, 2)}\n`);

function take(name: string): void {
  if (name in definitions) return;
  const definition = input.components.schemas[name];
  if (!definition) throw new Error(`The API server publishes no ${name}.`);
  definitions[name] = definition;
  for (const [, reference] of JSON.stringify(definition).matchAll(/"\$ref":"([^"]+)"/g)) {
    if (reference?.startsWith(prefix)) take(reference.slice(prefix.length));
  }
}
