/** `fairlead forward`: places of this machine that are ports of what a peer has. */
import { type Command, Option } from "commander";
import { parseTarget, targetText } from "../client/target.ts";
import { withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { type Forward, forwardUntil } from "./forwarding.ts";
import { planForwards } from "./listen-place.ts";

interface ForwardOptions {
  readonly address: string;
  readonly proxyProtocol?: boolean;
  readonly verbose?: boolean;
}

export function addForwardCommand(program: Command, context: CliContext): void {
  const { terminal } = context;
  const forward = program
    .command("forward <peer> <target> [listen...]")
    .description(
      "make ports of what a peer has ports of this machine: service/NAMESPACE/NAME:PORT, app/NAMESPACE/NAME:PORT, address/NAME:PORT, kubernetes or metrics; " +
        "each target with the places to listen at after it, [ADDRESS:]LOCAL[:PORT], :0 or unix:PATH",
    )
    .addOption(new Option("--address <address>", "the address to listen on where none is said").default("127.0.0.1"))
    .option("--proxy-protocol", "begin each connection with a PROXY header (version 2) that says who connected here")
    .option("--verbose", "a line for each connection that begins and ends");
  forward.action((peer: string, first: string, rest: string[], options: ForwardOptions) => {
    const plans = planForwards([first, ...rest], parseTarget, options.address);
    return withAgent(forward, context, async (connection, signal) => {
      // A peer that is not known is told before anything listens.
      await connection.client.peers.getPeer({ name: peer }, { signal });
      const forwards = plans.map(
        ({ target, place }): Forward => ({
          place,
          what: `${targetText(target)} at ${peer}`,
          dial: (session, stop) => session.dial(target, peer, stop),
        }),
      );
      await forwardUntil(
        {
          connection,
          forwards,
          ...options,
          out: (line) => terminal.out(line),
          err: (line) => terminal.err(line),
        },
        signal,
      );
    });
  });
}
