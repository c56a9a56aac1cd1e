/** The life of one container: its image, its runs, the pause between them, its log. */
import { randomBytes } from "node:crypto";
import type { Clock, Timer } from "../../base/clock.ts";
import type { Container, ContainerState, ContainerStatus } from "../controllers/shapes.ts";
import { timestamp } from "../object.ts";
import { programOf, pullFailure } from "./images.ts";
import { LogBuffer } from "./log-buffer.ts";
import { type RunningProgram, startProgram } from "./program.ts";

export interface ContainerDeps {
  clock: Clock;
  /** Whether containers run programs. Without, they run and are ready at once, whatever the image. */
  processes: boolean;
  /** Pause after the second crash in milliseconds; it doubles up to thirty times that. */
  crashBackoffMs: number;
  env: Readonly<Record<string, string>>;
  /** How the pod is called in messages: `web-1_default(uid)`. */
  pod: string;
  restartPolicy: string;
  changed(): void;
  event(type: "Normal" | "Warning", reason: string, message: string): void;
}

/** A run of this length counts as healthy: the pause after the next crash begins anew. */
const healthyMs = 600_000;

export class RunningContainer {
  readonly spec: Container;
  readonly #deps: ContainerDeps;
  #state: ContainerState = { waiting: { reason: "ContainerCreating" } };
  #lastState: ContainerState = {};
  #restarts = 0;
  #backoffMs = 0;
  #ready = false;
  #startedAt = 0;
  #id = "";
  #program: RunningProgram | undefined;
  #timer: Timer | undefined;
  #stopping = false;
  #log = new LogBuffer();
  #previousLog: LogBuffer | undefined;

  constructor(spec: Container, deps: ContainerDeps) {
    this.spec = spec;
    this.#deps = deps;
  }

  start(): void {
    const { image } = this.spec;
    if (!this.#deps.processes) {
      this.#run();
    } else if (!programOf(image)) {
      this.#failToPull(image);
    } else if (this.spec.command?.length) {
      this.#deps.event("Normal", "Pulled", `Container image "${image}" already present on machine`);
      const [command = ""] = this.spec.command;
      const message = `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: ${JSON.stringify(command)}: executable file not found in $PATH (the sandbox's images have no other command than their own)`;
      this.#deps.event("Warning", "Failed", `Error: ${message}`);
      this.#become({ waiting: { reason: "RunContainerError", message } });
    } else {
      this.#deps.event("Normal", "Pulled", `Container image "${image}" already present on machine`);
      this.#run();
    }
  }

  /** Whether nothing runs and nothing will. */
  get ended(): boolean {
    return (
      this.#program === undefined &&
      (this.#state.terminated !== undefined || this.#stopping) &&
      this.#timer === undefined
    );
  }

  get exitCode(): number | undefined {
    return this.#timer === undefined ? this.#state.terminated?.exitCode : undefined;
  }

  get running(): boolean {
    return this.#state.running !== undefined;
  }

  /** The log of the present run, or of the one before. */
  log(previous: boolean): LogBuffer | undefined {
    return previous ? this.#previousLog : this.#log;
  }

  localPort(containerPort: number): number | undefined {
    return this.#deps.processes ? this.#program?.ports.get(containerPort) : containerPort;
  }

  stop(graceMs: number): void {
    this.#stopping = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#program?.stop(graceMs);
    if (!this.#program) this.#log.close();
  }

  status(): ContainerStatus {
    const { name, image } = this.spec;
    return {
      name,
      image,
      imageID: this.#id ? `sandbox://${image}` : "",
      ...(this.#id ? { containerID: this.#id } : {}),
      ready: this.#ready,
      started: this.running,
      restartCount: this.#restarts,
      state: this.#state,
      lastState: this.#lastState,
    };
  }

  #become(state: ContainerState): void {
    this.#state = state;
    if (!state.running) this.#ready = false;
    this.#deps.changed();
  }

  #failToPull(image: string): void {
    const message = pullFailure(image);
    this.#deps.event("Normal", "Pulling", `Pulling image "${image}"`);
    this.#deps.event("Warning", "Failed", `Failed to pull image "${image}": ${message}`);
    this.#deps.event("Warning", "Failed", "Error: ErrImagePull");
    this.#become({ waiting: { reason: "ErrImagePull", message } });
    this.#timer = this.#deps.clock.after(1000, () => {
      this.#timer = undefined;
      const backingOff = `Back-off pulling image "${image}"`;
      this.#deps.event("Normal", "BackOff", backingOff);
      this.#deps.event("Warning", "Failed", "Error: ImagePullBackOff");
      this.#become({ waiting: { reason: "ImagePullBackOff", message: `${backingOff}: ErrImagePull: ${message}` } });
    });
  }

  #run(): void {
    const { clock, event } = this.#deps;
    this.#id = `sandbox://${randomBytes(32).toString("hex")}`;
    this.#startedAt = clock.now();
    event("Normal", "Created", `Created container: ${this.spec.name}`);
    event("Normal", "Started", `Started container ${this.spec.name}`);
    const program = this.#deps.processes ? programOf(this.spec.image) : undefined;
    if (program) {
      const log = this.#log;
      const tcp = (this.spec.ports ?? [])
        .filter(({ protocol }) => protocol !== "UDP")
        .map(({ containerPort }) => containerPort);
      const env = {
        ...this.#deps.env,
        ...Object.fromEntries((this.spec.env ?? []).map(({ name, value = "" }) => [name, value])),
      };
      this.#program = startProgram(
        { url: program.url, args: this.spec.args ?? [], env, ports: tcp.length > 0 ? tcp : [8080] },
        {
          line: (text) => log.append({ time: clock.now(), text }),
          listening: () => this.#becomeReady(),
          exit: (code) => this.#ended(code),
        },
      );
    }
    this.#ready = !program?.listens;
    this.#become({ running: { startedAt: timestamp(this.#startedAt) } });
  }

  #becomeReady(): void {
    if (!this.running) return;
    this.#ready = true;
    this.#deps.changed();
  }

  #ended(exitCode: number): void {
    const { clock, restartPolicy } = this.#deps;
    this.#program = undefined;
    this.#log.close();
    const terminated = {
      exitCode,
      reason: exitCode === 0 ? "Completed" : "Error",
      startedAt: timestamp(this.#startedAt),
      finishedAt: timestamp(clock.now()),
      containerID: this.#id,
    };
    this.#become({ terminated });
    const again = !this.#stopping && (restartPolicy === "Always" || (restartPolicy === "OnFailure" && exitCode !== 0));
    if (!again) return;
    if (clock.now() - this.#startedAt > healthyMs) this.#backoffMs = 0;
    const pauseMs = this.#backoffMs;
    this.#backoffMs = Math.min(
      this.#deps.crashBackoffMs * 30,
      this.#backoffMs === 0 ? this.#deps.crashBackoffMs : this.#backoffMs * 2,
    );
    if (pauseMs > 0) {
      const message = `back-off ${duration(pauseMs)} restarting failed container=${this.spec.name} pod=${this.#deps.pod}`;
      this.#deps.event(
        "Warning",
        "BackOff",
        `Back-off restarting failed container ${this.spec.name} in pod ${this.#deps.pod}`,
      );
      this.#lastState = { terminated };
      this.#become({ waiting: { reason: "CrashLoopBackOff", message } });
    }
    this.#timer = clock.after(pauseMs, () => {
      this.#timer = undefined;
      this.#lastState = { terminated };
      this.#restarts++;
      this.#previousLog = this.#log;
      this.#log = new LogBuffer();
      this.#run();
    });
  }
}

/** As Go prints it: `10s`, `1m20s`. */
function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
