/**
 * A pod that has been started here: its volumes, then its init containers one after the other, then the others. Sidecars,
 * init containers that always restart, are waited for until they have started and end when the others have.
 */
import type { Clock } from "../../base/clock.ts";
import type { Container, ContainerStatus, Pod } from "../controllers/shapes.ts";
import { RunningContainer } from "./container.ts";
import { type ContainerFiles, createContainerFiles } from "./container-files.ts";
import { environmentOf } from "./environment.ts";
import { type MountedVolume, mountVolumes, type VolumeInput } from "./volumes.ts";

export interface RunningPodDeps extends Omit<VolumeInput, "pod"> {
  clock: Clock;
  processes: boolean;
  crashBackoffMs: number;
  changed(): void;
  event(type: "Normal" | "Warning", reason: string, message: string): void;
}

export interface PodStatuses {
  init: ContainerStatus[];
  containers: ContainerStatus[];
}

export class RunningPod {
  readonly uid: string;
  readonly #pod: Pod;
  readonly #deps: RunningPodDeps;
  readonly #sources: ReadonlySet<string>;
  #volumes: ReadonlyMap<string, MountedVolume> | undefined;
  #init: RunningContainer[] = [];
  #containers: RunningContainer[] = [];
  #isStopping = false;

  constructor(pod: Pod, deps: RunningPodDeps) {
    this.uid = pod.metadata.uid;
    this.#pod = pod;
    this.#deps = deps;
    this.#sources = sourcesOf(pod);
    const { initContainers = [], containers, restartPolicy = "Always" } = pod.spec;
    const oneAfterTheOther = restartPolicy === "Never" ? "Never" : "OnFailure";
    this.#init = initContainers.map((spec) =>
      this.#create(spec, spec.restartPolicy === "Always" ? "Always" : oneAfterTheOther, initContainers),
    );
    this.#containers = containers.map((spec) => this.#create(spec, restartPolicy, initContainers));
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Whether it reads a ConfigMap or Secret of that name. */
  readonly usesSource = (kind: string, name: string): boolean => this.#sources.has(`${kind}/${name}`);

  /** Every container, the ones that come first before the others. */
  get all(): readonly RunningContainer[] {
    return [...this.#init, ...this.#containers];
  }

  /** Brings the pod one step on, as far as it is. To be called whenever something of it, or that it waits for, changed. */
  advance(): void {
    if (this.#isStopping || !this.#mount()) return;
    for (const container of this.all) if (container.lacksConfiguration) container.start();
    for (const container of this.#init) {
      if (!container.isBegun) container.start();
      const isSidecar = container.spec.restartPolicy === "Always";
      if (isSidecar ? !container.isStarted : container.exitCode !== 0) return;
    }
    for (const container of this.#containers) if (!container.isBegun) container.start();
    if (this.#containers.every((container) => container.exitCode !== undefined && container.ended)) {
      for (const container of this.#init) if (!container.ended) container.stop(0);
    }
  }

  statuses(): PodStatuses {
    return {
      init: this.#init.map((container) => container.status()),
      containers: this.#containers.map((container) => container.status()),
    };
  }

  stop(graceMs: number): void {
    this.#isStopping = true;
    for (const container of this.all) container.stop(graceMs);
  }

  get hasEnded(): boolean {
    return this.all.every((container) => container.ended);
  }

  /** Brings the files of ConfigMaps and Secrets up to date; false while a volume cannot be mounted. */
  #mount(): boolean {
    const { event } = this.#deps;
    const mounted = mountVolumes({ ...this.#deps, pod: this.#pod });
    if ("error" in mounted) {
      if (!this.#volumes) event("Warning", "FailedMount", mounted.error);
      return this.#volumes !== undefined;
    }
    this.#volumes = mounted;
    return true;
  }

  #create(spec: Container, restartPolicy: string, init: readonly Container[]): RunningContainer {
    const { metadata } = this.#pod;
    const { clock, processes, crashBackoffMs, changed, event, lookup, capacity } = this.#deps;
    return new RunningContainer(
      spec,
      {
        clock,
        processes,
        crashBackoffMs,
        environment: () => environmentOf({ pod: this.#pod, container: spec, lookup, capacity }),
        files: this.#filesOf(spec),
        pod: `${metadata.name}_${metadata.namespace ?? ""}(${metadata.uid})`,
        restartPolicy,
        changed,
        event,
      },
      init.length > 0 ? "PodInitializing" : "ContainerCreating",
    );
  }

  /** The volumes are known when the container is started, and not before. */
  #filesOf(spec: Container): ContainerFiles {
    let made: ContainerFiles | undefined;
    const files = (): ContainerFiles => {
      made ??= createContainerFiles(this.#deps.storage, this.uid, spec, this.#volumes ?? new Map());
      return made;
    };
    return {
      get hasVolumes() {
        return files().hasVolumes;
      },
      root: () => files().root(),
      resolve: (path) => files().resolve(path),
      isReadOnly: (path) => files().isReadOnly(path),
      reset: () => files().reset(),
    };
  }
}

/** The ConfigMaps and Secrets that the pod's volumes and variables name, as `secrets/<name>`. */
function sourcesOf({ spec }: Pod): Set<string> {
  const found = new Set<string>();
  const add = (kind: "configmaps" | "secrets", name: string | undefined): void => {
    if (name) found.add(`${kind}/${name}`);
  };
  for (const { configMap, secret, projected } of spec.volumes ?? []) {
    add("configmaps", configMap?.name);
    add("secrets", secret?.secretName);
    for (const source of projected?.sources ?? []) {
      add("configmaps", source.configMap?.name);
      add("secrets", source.secret?.name);
    }
  }
  for (const { env = [], envFrom = [] } of [...(spec.initContainers ?? []), ...spec.containers]) {
    for (const { valueFrom } of env) {
      add("configmaps", valueFrom?.configMapKeyRef?.name);
      add("secrets", valueFrom?.secretKeyRef?.name);
    }
    for (const { configMapRef, secretRef } of envFrom) {
      add("configmaps", configMapRef?.name);
      add("secrets", secretRef?.name);
    }
  }
  return found;
}
