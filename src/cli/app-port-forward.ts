/** `fairlead app port-forward`: ports of this machine that are ports of an app, wherever that runs. */
import { type Command, Option } from "commander";
import type { AppPort } from "../gen/fairlead/resources/v1alpha1/container_pb.ts";
import { namespaceOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { type Forward, forwardUntil } from "./forwarding.ts";

interface ForwardOptions {
  readonly namespace?: string;
  readonly address: string;
  readonly peer?: string;
}

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
      for (const { port } of wanted) mustHave(app?.spec?.ports ?? [], port, name);
      const forwards = wanted.map(({ local, port }): Forward => {
        const own = Number(port ?? app?.spec?.ports[0]?.containerPort);
        const here = local ?? (Number.isInteger(own) ? own : 0);
        const target = { kind: "app", namespace, name, ...(port !== undefined && { port }) } as const;
        return {
          place: { host: options.address, port: here },
          what: `${name}${port === undefined ? "" : `:${port}`}`,
          dial: (session, stop) => session.dial(target, options.peer, stop),
        };
      });
      await forwardUntil(
        { connection, forwards, out: (line) => terminal.out(line), err: (line) => terminal.err(line) },
        signal,
      );
    });
  });
}

/** Nothing but the ports that an app declares can be reached. Throws a `CliError` that names them. */
function mustHave(ports: readonly AppPort[], port: number | string | undefined, app: string): void {
  if (ports.some((one) => port === undefined || one.containerPort === port || one.name === port)) return;
  const told = ports.map(({ name, containerPort }) => [containerPort, name && `(${name})`].filter(Boolean).join(" "));
  const has = told.length === 0 ? "it declares none" : `its ports: ${told.join(", ")}`;
  throw new CliError(`${app} declares no port${port === undefined ? "" : ` ${port}`}; ${has}`, {
    code: exitCode.notFound,
    hint: told.length === 0 ? "fairlead app deploy … --port 8080" : undefined,
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
