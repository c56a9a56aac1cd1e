/** `fairlead app port-forward`: ports of this machine that are ports of an app, wherever that runs. */
import { createServer, type Server, type Socket } from "node:net";
import { type Command, Option } from "commander";
import { errorText } from "../base/error-text.ts";
import { breakOff, join } from "../base/join.ts";
import type { AgentSession } from "../client/session.ts";
import { namespaceOption, withAgent } from "./command.ts";
import { tellOfConnection } from "./connection-news.ts";
import type { CliContext, Connection } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";

interface ForwardOptions {
  readonly namespace?: string;
  readonly address: string;
  readonly peer?: string;
}

/** Connections at a time; each is a socket here and a stream on the one session. */
const mostConnections = 8_192;
/** Between attempts to open a session again, in milliseconds. */
const retryMs = 1_000;

export function addAppPortForward(app: Command, context: CliContext): void {
  const { terminal } = context;
  const forward = app
    .command("port-forward <name> [port...]")
    .description(
      "make ports of an app ports of this machine; [LOCAL:]PORT, by number or name, the app's first unless said",
    )
    .addOption(namespaceOption())
    .addOption(new Option("--address <address>", "the address to listen on").default("127.0.0.1"))
    .option("--peer <name>", "the peer, for an app that runs at several");
  forward.action((name: string, ports: string[], options: ForwardOptions) => {
    const wanted = (ports.length > 0 ? ports : [""]).map(readPort);
    return withAgent(forward, context, async (connection, signal) => {
      const namespace = options.namespace ?? connection.namespace;
      const { app } = await connection.client.apps.getApp({ ref: { namespace, name } }, { signal });
      const sessions = new Sessions(connection, (text) => terminal.err(text), signal);
      // A token or an agent that does not let this be is told before anything listens.
      await sessions.get();
      const servers: Server[] = [];
      try {
        for (const { local, port } of wanted) {
          const own = Number(port ?? app?.spec?.ports[0]?.containerPort);
          const number = local ?? (Number.isInteger(own) ? own : 0);
          const to = { namespace, name, port, peer: options.peer };
          const server = await listen(
            options.address,
            number,
            (socket) =>
              void pass(
                socket,
                async () => (await sessions.get()).dialApp(to, signal),
                (text) => terminal.err(text),
              ),
          );
          servers.push(server);
          const at = server.address();
          const shown = at && typeof at === "object" ? `${at.address}:${at.port}` : options.address;
          await terminal.out(`${shown} is ${name}${port === undefined ? "" : `:${port}`}\n`);
        }
        await new Promise<never>((_, reject) => {
          const stop = (): void => reject(signal.reason);
          if (signal.aborted) stop();
          else signal.addEventListener("abort", stop, { once: true });
        });
      } finally {
        for (const server of servers) server.close();
        sessions.close();
      }
    });
  });
}

/** "8080:80", ":http" for any port here, "80", "http", or nothing for the app's first. */
function readPort(text: string): { local: number | undefined; port: number | string | undefined } {
  const [, local, port = ""] = /^(?:(\d*):)?([a-z0-9-]*)$/.exec(text) ?? [];
  const chosen = /^\d+$/.test(port) ? Number(port) : port;
  const isWrong = (number: number): boolean => !(number >= 0 && number <= 65_535);
  const here = local === undefined ? undefined : Number(local);
  if (
    (port === "" && text !== "") ||
    (typeof chosen === "number" && (chosen === 0 || isWrong(chosen))) ||
    isWrong(here ?? 0)
  ) {
    throw new CliError(`${JSON.stringify(text)} is no port`, {
      code: exitCode.usage,
      hint: "8080:80, 80, :80 or a port's name",
    });
  }
  return { local: here, port: port === "" ? undefined : chosen };
}

/** The session that all connections share. One that ends is opened again when somebody connects. */
class Sessions {
  readonly #connection: Connection;
  readonly #tell: (text: string) => void;
  readonly #signal: AbortSignal;
  #current: Promise<AgentSession> | undefined;
  #failedAt: number | undefined;
  #failure: unknown;

  constructor(connection: Connection, tell: (text: string) => void, signal: AbortSignal) {
    this.#connection = connection;
    this.#tell = tell;
    this.#signal = signal;
  }

  get(): Promise<AgentSession> {
    // Who connects while the agent is away is told so at once, and the agent is not asked by each of them.
    if (this.#failedAt !== undefined && performance.now() - this.#failedAt < retryMs)
      return Promise.reject(this.#failure);
    this.#current ??= this.#open();
    return this.#current;
  }

  close(): void {
    void this.#current?.then(
      (session) => session.close(),
      () => undefined,
    );
  }

  async #open(): Promise<AgentSession> {
    try {
      const session = await this.#connection.openSession(this.#signal);
      this.#failedAt = undefined;
      tellOfConnection(session, this.#tell);
      void session.closed.then((why) => {
        this.#current = undefined;
        if (!this.#signal.aborted)
          this.#tell(`the connection to the agent has ended (${why}); the next one makes it anew\n`);
      });
      return session;
    } catch (error) {
      this.#current = undefined;
      this.#failedAt = performance.now();
      this.#failure = error;
      throw error;
    }
  }
}

function listen(address: string, port: number, connected: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, connected);
    server.maxConnections = mostConnections;
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const why = cause.code === "EADDRINUSE" ? "something else listens there" : errorText(cause);
      reject(new CliError(`${address}:${port} cannot be listened on: ${why}`, { code: exitCode.usage, cause }));
    });
    server.listen({ host: address, port }, () => resolve(server));
  });
}

/** Never rejects. A connection that the app does not take is reset, and the person told why. */
async function pass(
  socket: Socket,
  dial: () => ReturnType<AgentSession["dialApp"]>,
  tell: (text: string) => void,
): Promise<void> {
  socket.on("error", () => undefined);
  try {
    const stream = await dial();
    await join(socket, stream);
  } catch (error) {
    tell(`a connection was refused: ${errorText(error)}\n`);
    breakOff(socket, error instanceof Error ? error : new Error(String(error)));
  }
}
