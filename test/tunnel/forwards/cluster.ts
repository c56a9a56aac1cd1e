/** What the tests of Forwards do in a town's cluster. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Town } from "../../../src/demo/town.ts";
import type { JsonObject } from "../../../src/kube/object.ts";
import {
  deployments,
  type EndpointSlice,
  endpointSlices,
  type Forward,
  forwards,
  namespaces,
  type Service,
  services,
} from "../../../src/kube/resources.ts";

/** Long enough for a machine that is busy. */
export function patience(): AbortSignal {
  return AbortSignal.timeout(60_000);
}

/** Waits until there is something that suits; fails after a minute with what was there last. */
export async function eventually<T>(what: string, look: () => Promise<T> | T, suits: (seen: T) => boolean): Promise<T> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const seen = await look();
    if (suits(seen)) return seen;
    if (performance.now() > deadline) throw new Error(`never so: ${what}; last seen ${JSON.stringify(seen)}`);
    await delay(20);
  }
}

export async function makeNamespace({ kube }: Town, name: string): Promise<void> {
  await kube.client.create(namespaces, { metadata: { name } }, patience());
}

/** A Deployment of the demo's web server, and a Service in front of it. */
export async function makePage({ kube }: Town, namespace: string, name = "page"): Promise<void> {
  const labels = { app: name };
  const ports = [{ name: "http", containerPort: 8080 }];
  const containers = [{ name: "web", image: "fairlead.dev/demo-web:1", ports }];
  const template = { metadata: { labels }, spec: { containers } };
  const spec = { replicas: 1, selector: { matchLabels: labels }, template };
  await kube.client.create(deployments, { metadata: { name, namespace }, spec }, patience());
  const open = { selector: labels, ports: [{ name: "web", port: 80, targetPort: "http" }] };
  await kube.client.create(services, { metadata: { name, namespace }, spec: open }, patience());
}

/** A Forward of the town, as YAML has its spec. */
export async function applyForward({ kube }: Town, key: string, spec: JsonObject): Promise<void> {
  const metadata = refOf(key);
  const parsed = forwards.parse({ metadata, spec });
  if (parsed.problems) throw new Error(parsed.problems.join("; "));
  const options = { fieldManager: "test", force: true };
  await kube.client.apply(forwards, { metadata, spec: parsed.spec }, options, patience());
}

function refOf(key: string): { namespace: string; name: string } {
  const [namespace = "", name = ""] = key.split("/");
  return { namespace, name };
}

export async function readForward({ kube }: Town, key: string): Promise<Forward | undefined> {
  return kube.client.get(forwards, refOf(key), patience());
}

/** Waits until it is in this phase, for this reason of its condition Ready if one is given. */
export async function settled(town: Town, key: string, phase: string, reason?: string): Promise<Forward> {
  const found = await eventually(
    `${key} is ${phase} ${reason ?? ""}`,
    () => readForward(town, key),
    (forward) => {
      const { status, metadata } = forward ?? {};
      if (status?.phase !== phase || status.observedGeneration !== metadata?.generation) return false;
      return reason === undefined || conditionOf(forward, "Ready")?.reason === reason;
    },
  );
  if (!found) throw new Error(`${key} is not there`);
  return found;
}

export function conditionOf(forward: Forward | undefined, type: string) {
  return forward?.status?.conditions.find((one) => one.type === type);
}

export async function readService({ kube }: Town, key: string): Promise<Service | undefined> {
  return kube.client.get(services, refOf(key), patience());
}

export async function slicesOf({ kube }: Town, key: string): Promise<EndpointSlice[]> {
  const { namespace, name } = refOf(key);
  const labelSelector = `kubernetes.io/service-name=${name}`;
  return (await kube.client.list(endpointSlices, { namespace, labelSelector }, patience())).items;
}

/** As a pod reaches it through the Service: to the endpoint that its EndpointSlice names for the port. */
export async function connectTo(town: Town, key: string, port: number): Promise<Socket> {
  const service = await readService(town, key);
  const name = service?.spec?.ports?.find((one) => one.port === port)?.name;
  const [slice] = await slicesOf(town, key);
  const [address] = slice?.endpoints?.[0]?.addresses ?? [];
  const number = slice?.ports?.find((one) => one.name === name)?.port;
  if (address === undefined || number === undefined) throw new Error(`${key} leads nowhere at ${port}`);
  const socket = connect({ host: address, port: number, allowHalfOpen: true });
  socket.on("error", () => undefined);
  // A reset may be quicker than the news of the connection.
  await once(socket, "connect", { signal: patience() }).catch(() => undefined);
  return socket;
}

/** Resolves when it is closed, with what broke it. */
export async function broken(socket: Socket): Promise<string> {
  socket.resume();
  await eventually(
    "it is closed",
    () => socket.closed,
    (closed) => closed,
  );
  return socket.errored ? String(socket.errored) : "no error";
}

/** The status of an answer over HTTP through the Service; undefined when there was none. */
export async function ask(town: Town, key: string, port: number): Promise<number | undefined> {
  const socket = await connectTo(town, key, port);
  socket.end("GET / HTTP/1.1\r\nhost: page\r\nconnection: close\r\n\r\n");
  const answer: Uint8Array[] = await socket.toArray().catch(() => []);
  const status = /^HTTP\/1\.1 (\d+)/.exec(Buffer.concat(answer).toString())?.[1];
  return status === undefined ? undefined : Number(status);
}
