/**
 * What is asked of kubectl by both ways. What only looks is asked of one namespace, and the answers must be the same to the letter but for
 * what time does; what changes things is done in a namespace each, and what is random there has a named rule that makes it alike.
 */
export interface Command {
  /** Words of the command line; one string is split at spaces. */
  readonly say: string | readonly string[];
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What differs by nature, beside ages. */
  readonly alike?: readonly Rule[];
}

export type Rule = keyof typeof rules;

/** Each makes alike what cannot be the same twice. */
export const rules = {
  /** How old something is: the two ask one after the other. Widths of columns follow. */
  age: (text: string) => text.replaceAll(/\b(\d+(d|h|m|s)){1,2}\b( ago)?/g, "AGE").replaceAll(/ {2,}/g, "  "),
  namespace: (text: string) => text.replaceAll(/\bkubectl-(tunnel|direct)\b/g, "NAMESPACE"),
  /** Names that the cluster makes up: of pods, ReplicaSets, and what `create` is told to generate. */
  name: (text: string) =>
    text.replaceAll(/\b(web|once|nightly)-([0-9a-f]{6,10}(-[0-9a-z]{5})?|[0-9a-z]{5})\b/g, "$1-NAME"),
  address: (text: string) => text.replaceAll(/\b10\.\d+\.\d+\.\d+\b/g, "ADDRESS"),
  time: (text: string) => text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z|\w{3}, \d\d \w{3} \d{4} [\d:]+ [+-]\d{4}/g, "TIME"),
  version: (text: string) =>
    text
      .replaceAll(/(resourceVersion"?: ")\d+"/g, '$1VERSION"')
      .replaceAll(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, "UID"),
  /** Of a container, or of a program in it. */
  id: (text: string) => text.replaceAll(/\b[0-9a-f]{64}\b/g, "ID"),
  /** What is said while something is waited for. */
  waiting: (text: string) => text.replaceAll(/^Waiting for .*\n/gm, ""),
  token: (text: string) => text.replaceAll(/\beyJ[\w.-]+/g, "TOKEN"),
  /** kubectl says where it asked. */
  door: (text: string) => text.replaceAll(/https:\/\/[\d.:]+(\/peers\/[^/\s]+\/kubernetes)?(?![\w:/])/g, "DOOR"),
  /** The folders from which `diff` compares. */
  folder: (text: string) => text.replaceAll(/\/tmp\/(LIVE|MERGED)-\d+/g, "/tmp/$1").replaceAll(/\t\d{4}-.*$/gm, ""),
  /** The order in which a server says what is of equal rank. */
  order: (text: string) => text.split("\n").sort().join("\n"),
} as const;

/** Only look, at what the stage has put into the shared namespace. */
export const looks: readonly (string | Command)[] = [
  "get pods",
  "get pods -o wide",
  "get pods -o yaml",
  "get pods -l run=box --show-labels",
  "get pods --field-selector=status.phase=Running -o name",
  "get pods --chunk-size=1",
  "get pods --sort-by=.metadata.name --no-headers",
  "get pods --server-print=false",
  "get pods -o jsonpath={.items[*].spec.containers[*].image}",
  "get pods -o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName",
  { say: ["get", "pods", "-o", "go-template={{range .items}}{{.metadata.name}} {{end}}"] },
  "get pod nothing",
  "get pod nothing --ignore-not-found",
  "get nothing",
  "get all",
  "get nodes -o wide",
  "get namespaces kubectl-shared default",
  "get deployments -o json",
  "get deployment web --subresource=scale",
  "get configmap settings -o yaml",
  "get endpointslices -l kubernetes.io/service-name=web -o wide",
  "get events --field-selector=reason=nothing",
  "get clusterroles view edit -o yaml",
  "get crd peers.fairlead.dev",
  "get apiservices",
  "get storageclass",
  "describe pod box",
  "describe deployment web",
  "describe service web",
  "describe namespace kubectl-shared",
  "describe configmap settings",
  "describe pod nothing",
  "logs box",
  "logs box --tail=2 --timestamps",
  "logs box -c nothing",
  "logs -l run=box --prefix",
  "logs deployment/web --tail=1",
  "logs box --previous",
  "logs -f done",
  "exec box -- echo hello",
  { say: ["exec", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 3"] },
  { say: "exec -i box -- sha256sum", input: "what comes by standard input\n".repeat(10_000) },
  { say: "exec box -- nothing", alike: ["id"] },
  "exec nothing -- echo",
  "exec deployment/web -- cat /etc/hostname",
  "api-versions",
  "api-resources",
  "api-resources --namespaced=false --verbs=delete -o name",
  "version -o json",
  { say: "cluster-info", alike: ["door"] },
  "explain pods.spec.containers.resources",
  "explain deployments.spec --recursive",
  "explain pods.nothing",
  "auth can-i create pods",
  "auth can-i --list",
  "auth can-i sail ships",
  "top nodes",
  "top pods",
  "get --raw /version",
  "get --raw /readyz?verbose",
  "get --raw /openapi/v3",
  "get --raw /api/v1/namespaces/kubectl-shared/services/web:80/proxy/status/204",
  "get --raw /api/v1/namespaces/kubectl-shared/pods/box/log?tailLines=1",
  "get --raw /api/v1/namespaces/kubectl-shared/pods/nothing",
  "rollout status deployment/web",
  "rollout history deployment/web",
  "rollout history deployment/web --revision=1",
  "wait --for=condition=Ready pod/box --timeout=30s",
  "wait --for=jsonpath={.status.phase}=Succeeded pod/done --timeout=30s",
  "wait --for=condition=Ready pod/nothing --timeout=1s",
  "cordon --all --dry-run=server",
  { say: "drain --all --pod-selector=run=box --dry-run=server --force", alike: ["order"] },
  "taint nodes --all fairlead.dev/e2e=1:NoSchedule --dry-run=server",
  "port-forward pod/nothing 0:80",
  "attach nothing",
  "scale deployment web --replicas=9 --dry-run=server -o name",
];

const configMap = (data: object): string =>
  JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" }, data });

/** Change things, one after the other. */
export const acts: readonly (string | Command)[] = [
  "create deployment web --image=example.test/echo:1 --replicas=1",
  "create deployment web --image=example.test/echo:1",
  "expose deployment web --port=80 --target-port=8080",
  "expose deployment web --port=80",
  { say: "apply -f -", input: configMap({ a: "1" }) },
  { say: "apply -f -", input: configMap({ a: "1" }) },
  { say: "diff -f -", input: configMap({ a: "2", b: "3" }), alike: ["folder", "version", "time"] },
  { say: "apply -f -", input: configMap({ a: "2" }) },
  { say: "apply --server-side -f -", input: configMap({ a: "3" }) },
  { say: "apply --server-side --force-conflicts -f -", input: configMap({ a: "4" }) },
  { say: "apply -f -", input: JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "C c" } }) },
  { say: "apply --prune -l e2e=prune -f -", input: configMap({ a: "4" }) },
  { say: ["patch", "configmap", "c", "--type=merge", "-p", '{"data":{"b":"5"}}'] },
  { say: ["patch", "configmap", "c", "--type=json", "-p", '[{"op":"replace","path":"/data/b","value":"6"}]'] },
  { say: ["patch", "configmap", "c", "--type=json", "-p", '[{"op":"test","path":"/data/b","value":"7"}]'] },
  { say: ["patch", "deployment", "web", "-p", '{"spec":{"minReadySeconds":0,"progressDeadlineSeconds":60}}'] },
  "label configmap c x=y",
  "label configmap c x=z",
  "label configmap c x=z --overwrite",
  "label configmap c x-",
  "annotate configmap c note=seen",
  { say: "edit configmap c", env: { KUBE_EDITOR: "sed -i s/seen/noted/" } },
  { say: "replace -f -", input: configMap({ z: "8" }) },
  { say: "replace --force --grace-period=0 -f -", input: configMap({ z: "9" }) },
  { say: "get configmap c -o yaml", alike: ["version", "time"] },
  { say: "create -f -", input: configMap({}) },
  "create configmap d --from-literal=a=b",
  "create secret generic s --from-literal=a=b",
  "get secret s -o jsonpath={.data.a}",
  "create serviceaccount robot",
  { say: "create token robot --duration=10m", alike: ["token"] },
  "create role reader --verb=get,list --resource=pods",
  "create rolebinding reader --role=reader --serviceaccount=default:robot",
  {
    say: "auth reconcile -f -",
    input: JSON.stringify({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata: { name: "reader" },
      rules: [],
    }),
  },
  "create quota small --hard=configmaps=10",
  "create poddisruptionbudget web --selector=app=web --min-available=0",
  "create ingress web --rule=web.example/*=web:80",
  "create priorityclass kubectl-e2e --value=1 --dry-run=server",
  "create cronjob nightly --image=docker.io/library/busybox:1.36 --schedule=0,0,1,1,*",
  {
    say: [
      "create",
      "cronjob",
      "nightly",
      "--image=docker.io/library/busybox:1.36",
      "--schedule=0 0 1 1 *",
      "--",
      "true",
    ],
  },
  "create job once --from=cronjob/nightly",
  "wait --for=condition=complete job/once --timeout=60s",
  { say: "rollout status deployment/web --timeout=60s", alike: ["waiting"] },
  "scale deployment web --replicas=2",
  "scale deployment web --current-replicas=9 --replicas=1",
  "wait --for=jsonpath={.status.readyReplicas}=2 deployment/web --timeout=60s",
  "autoscale deployment web --min=1 --max=2 --cpu=80",
  "delete hpa web",
  "set image deployment/web echo=example.test/echo:1",
  "set env deployment/web MODE=calm",
  "set resources deployment/web --requests=cpu=1m",
  "set serviceaccount deployment/web default",
  "rollout pause deployment/web",
  "rollout resume deployment/web",
  "rollout restart deployment/web",
  { say: "rollout status deployment/web --timeout=60s", alike: ["waiting"] },
  "rollout undo deployment/web --to-revision=1",
  { say: "rollout status deployment/web --timeout=60s", alike: ["waiting"] },
  "run box --image=docker.io/library/busybox:1.36 --restart=Never -- sleep 3600",
  "wait --for=condition=Ready pod/box --timeout=60s",
  {
    say: [
      "run",
      "-i",
      "--rm",
      "--restart=Never",
      "--quiet",
      "short",
      "--image=docker.io/library/busybox:1.36",
      "--",
      "cat",
    ],
    input: "in and out\n",
  },
  "debug box --image=docker.io/library/busybox:1.36 -c probe -- sh -c id",
  {
    say: [
      "wait",
      "pod/box",
      "--for=jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.exitCode}=0",
      "--timeout=60s",
    ],
  },
  "logs box -c probe",
  { say: "get pods,services,deployments -o name", alike: ["name", "order"] },
  "delete pod box --grace-period=0 --force --wait",
  "wait --for=delete pod/box --timeout=30s",
  "delete pod box",
  "delete deployment web --cascade=foreground --wait --timeout=60s",
  "delete configmap,secret -l nothing=here",
  "delete configmap c d",
  "delete namespace kubectl-none",
];
