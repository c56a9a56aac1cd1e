/** The life of one container: its image, its runs, the pause between them, its log. */
import { randomBytes } from "node:crypto";
import type { Clock, Timer } from "../../base/clock.ts";
import type { Container, ContainerState, ContainerStatus } from "../controllers/shapes.ts";
import { timestamp } from "../object.ts";
import { isPlayed, runCommand } from "./commands.ts";
import type { ContainerFiles } from "./container-files.ts";
import { type Environment, expand } from "./environment.ts";
import { type Health, watchHealth } from "./health.ts";
import { type Program, programOf, pullFailure } from "./images.ts";
import { LogBuffer } from "./log-buffer.ts";
import { playProgram } from "./played-program.ts";
import type { ProbeTarget } from "./probe.ts";
import { type ProgramListener, type RunningProgram, startProgram } from "./program.ts";

export interface ContainerDeps {
  clock: Clock;
  /** Whether containers run programs. Without, they run whatever the image, and are ready unless a probe by command says no. */
  processes: boolean;
  /** Pause after the second crash in milliseconds; it doubles up to thirty times that. */
  crashBackoffMs: number;
  /** Its environment as it is now, or what is missing for it. */
  environment(): Environment;
  files: ContainerFiles;
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
  #state: ContainerState;
  #env: Readonly<Record<string, string>> = {};
  #health: Health | undefined;
  #isListening = false;
  #lastState: ContainerState = {};
  #restarts = 0;
  #backoffMs = 0;
  #startedAt = 0;
  #id = "";
  #program: RunningProgram | undefined;
  #timer: Timer | undefined;
  #stopping = false;
  #log = new LogBuffer();
  #previousLog: LogBuffer | undefined;

  constructor(spec: Container, deps: ContainerDeps, waitsFor = "ContainerCreating") {
    this.spec = spec;
    this.#deps = deps;
    this.#state = { waiting: { reason: waitsFor } };
  }

  /** Starts it, or tries again when its environment could not be made. */
  start(): void {
    const { image } = this.spec;
    if (this.#deps.processes && !programOf(image)) {
      this.#failToPull(image);
      return;
    }
    if (this.#deps.processes)
      this.#deps.event("Normal", "Pulled", `Container image "${image}" already present on machine`);
    this.#run();
  }

  /** Whether it waits for a ConfigMap or Secret. */
  get lacksConfiguration(): boolean {
    return this.#state.waiting?.reason === "CreateContainerConfigError";
  }

  /** Whether it has been started at all. */
  get isBegun(): boolean {
    return !["ContainerCreating", "PodInitializing"].includes(this.#state.waiting?.reason ?? "");
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

  /** Whether it runs and its startup probe, if it has one, has been passed. */
  get isStarted(): boolean {
    return this.running && (this.#health?.isStarted ?? true);
  }

  /** What commands in the container see. */
  get env(): Readonly<Record<string, string>> {
    return this.#env;
  }

  get files(): ContainerFiles {
    return this.#deps.files;
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
    this.#health?.stop();
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
      ready: this.running && this.#isListening && (this.#health?.isReady ?? true),
      started: this.isStarted,
      restartCount: this.#restarts,
      state: this.#state,
      lastState: this.#lastState,
    };
  }

  #become(state: ContainerState): void {
    this.#state = state;
    if (!state.running) this.#health?.stop();
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
    const { clock, event, processes } = this.#deps;
    const environment = this.#deps.environment();
    if ("error" in environment) {
      const message = environment.error;
      event("Warning", "Failed", `Error: ${message}`);
      this.#become({ waiting: { reason: "CreateContainerConfigError", message } });
      return;
    }
    this.#env = environment.env;
    const [command = [], args = []] = [this.spec.command, this.spec.args].map((words) =>
      words?.map((word) => expand(word, environment.env)),
    );
    const program = processes ? programOf(this.spec.image) : undefined;
    if (program && command.length > 0 && !isPlayed(command)) {
      this.#failToRun(command[0] ?? "");
      return;
    }
    this.#id = `sandbox://${randomBytes(32).toString("hex")}`;
    this.#startedAt = clock.now();
    event("Normal", "Created", `Created container: ${this.spec.name}`);
    event("Normal", "Started", `Started container ${this.spec.name}`);
    this.#deps.files.reset();
    this.#isListening = true;
    if (command.length > 0 || !program) this.#play(command, args);
    else this.#spawn(program, args);
    if (this.spec.startupProbe || this.spec.readinessProbe || this.spec.livenessProbe) this.#watchHealth();
    this.#become({ running: { startedAt: timestamp(this.#startedAt) } });
  }

  /** Without processes a container that is to go on does; one that is to end plays its command, and ends well without one. */
  #play(command: readonly string[], args: readonly string[]): void {
    const { processes, restartPolicy, files } = this.#deps;
    if (!processes && restartPolicy === "Always") return;
    const words = command.length > 0 ? [...command, ...args] : ["true"];
    this.#program = playProgram(words, { env: this.#env, files, isLenient: !processes }, this.#listener());
  }

  #spawn(program: Program, args: readonly string[]): void {
    const tcp = (this.spec.ports ?? [])
      .filter(({ protocol }) => protocol !== "UDP")
      .map(({ containerPort }) => containerPort);
    const { files } = this.#deps;
    const { PATH: _path, ...env } = this.#env;
    this.#isListening = !program.listens;
    this.#program = startProgram(
      {
        url: program.url,
        args,
        env: { ...env, ...(files.hasVolumes ? { SANDBOX_ROOT: files.root() } : {}) },
        ports: tcp.length > 0 ? tcp : [8080],
      },
      this.#listener(),
    );
  }

  #listener(): ProgramListener {
    const { clock } = this.#deps;
    const log = this.#log;
    return {
      line: (text) => log.append({ time: clock.now(), text }),
      listening: () => {
        this.#isListening = true;
        if (this.running) this.#deps.changed();
      },
      exit: (code) => this.#ended(code),
    };
  }

  #watchHealth(): void {
    const { clock, event, changed } = this.#deps;
    this.#health = watchHealth(this.spec, {
      clock,
      changed,
      event,
      target: this.#probeTarget(),
      failed: (kind) => {
        event("Normal", "Killing", `Container ${this.spec.name} failed ${kind} probe, will be restarted`);
        this.#health?.stop();
        if (this.#program) this.#program.stop(0);
        else this.#ended(137);
      },
    });
  }

  #probeTarget(): ProbeTarget {
    const { files, processes } = this.#deps;
    return {
      localPort: (port) => {
        const { ports = [] } = this.spec;
        const number = typeof port === "number" ? port : ports.find(({ name }) => name === port)?.containerPort;
        return number === undefined ? undefined : this.localPort(number);
      },
      answersPorts: processes,
      exec: async (command, signal) => {
        let output = "";
        const write = (data: string | Uint8Array): void => {
          output += Buffer.from(data).toString("utf8");
        };
        const input = { async *[Symbol.asyncIterator]() {} };
        const context = { env: this.#env, input, files, stdout: write, stderr: write, signal, isLenient: !processes };
        const code = await runCommand(command, context);
        return { code: signal.aborted ? 124 : code, output };
      },
    };
  }

  #failToRun(command: string): void {
    const message = `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: ${JSON.stringify(command)}: executable file not found in $PATH (the sandbox's images have no other command than their own and those that it plays)`;
    this.#deps.event("Warning", "Failed", `Error: ${message}`);
    this.#become({ waiting: { reason: "RunContainerError", message } });
  }

  #ended(exitCode: number): void {
    const { clock, restartPolicy } = this.#deps;
    this.#program = undefined;
    this.#health?.stop();
    this.#health = undefined;
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
