/**
 * What the agent relies on an API server for, each semantic a named test. The suite runs against the sandbox
 * (`sandbox.test.ts`) and unchanged against a real cluster (`cluster.e2e.ts`), so that the one cannot drift from the other.
 */
import { randomBytes } from "node:crypto";
import { after, before, describe } from "node:test";
import { type Api, connectApi, eventually, type Json } from "./api.ts";
import { applyTests } from "./apply.ts";
import { containerTests } from "./containers.ts";
import { customResourceTests } from "./custom-resources.ts";
import { deletionTests } from "./deletion.ts";
import { discoveryTests } from "./discovery.ts";
import { guardTests } from "./guards.ts";
import { jobTests } from "./jobs.ts";
import { objectTests } from "./objects.ts";
import { podTests } from "./pods.ts";
import { statefulSetTests } from "./stateful-sets.ts";
import { terminalTests } from "./terminals.ts";
import { watchTests } from "./watch.ts";
import { workloadTests } from "./workloads.ts";

/** What differs between the servers: where they are, and which images they can run. */
export interface Setting {
  kubeconfig(): Promise<string>;
  /** An HTTP server on 8080 that prints the line which `/log?line=` gives it. */
  echo: Json;
  /** A container that prints a line and exits with 3. */
  crash: Json;
  /** An image with a shell, for a command of the test's own. */
  shell: string;
  /** Forgets the history of ConfigMaps, where that can be asked for. */
  compact?(): void;
  /** A bearer token that the server accepts, or one that is for this audience alone. */
  token(api: Api, namespace: string, audience?: string): Promise<string>;
}

export interface Context {
  readonly api: Api;
  readonly namespace: string;
  readonly setting: Setting;
  /** A name that no other test uses. */
  name(base?: string): string;
  path(plural: string, name?: string, sub?: string): string;
  group(groupVersion: string, plural: string, name?: string, sub?: string): string;
}

export function contractSuite(server: string, setting: Setting): void {
  describe(`the contract with ${server}`, () => {
    let api: Api | undefined;
    let count = 0;
    const namespace = `contract-${randomBytes(4).toString("hex")}`;
    const connected = (): Api => {
      if (!api) throw new Error("the suite has not connected yet");
      return api;
    };
    const context: Context = {
      get api() {
        return connected();
      },
      namespace,
      setting,
      name: (base = "t") => `${base}-${++count}`,
      path: (plural, name, sub) => join(`/api/v1/namespaces/${namespace}`, plural, name, sub),
      group: (groupVersion, plural, name, sub) =>
        join(`/apis/${groupVersion}/namespaces/${namespace}`, plural, name, sub),
    };
    before(async () => {
      api = connectApi(await setting.kubeconfig());
      await connected().ask("POST", "/api/v1/namespaces", { body: { metadata: { name: namespace } } });
      // A pod can be created only when its namespace has its service account.
      await eventually(
        () => connected().ask("GET", context.path("serviceaccounts", "default")),
        ({ status }) => status === 200,
      );
    });
    after(async () => {
      await api?.ask("DELETE", `/api/v1/namespaces/${namespace}`);
      api?.close();
    });
    describe("discovery and reviews", () => discoveryTests(context));
    describe("objects", () => objectTests(context));
    describe("watches", () => watchTests(context));
    describe("server-side apply", () => applyTests(context));
    describe("deletion", () => deletionTests(context));
    describe("custom resources", () => customResourceTests(context));
    describe("what guards a namespace", () => guardTests(context));
    describe("workloads", { concurrency: true }, () => workloadTests(context));
    describe("stateful sets", { concurrency: true }, () => statefulSetTests(context));
    describe("jobs", { concurrency: true }, () => jobTests(context));
    describe("containers", { concurrency: true }, () => containerTests(context));
    describe("pods", () => podTests(context));
    describe("terminals", () => terminalTests(context));
  });
}

function join(...parts: (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join("/");
}
