/** `fairlead forward`: places of this machine that are ports of what a peer has; and what Forwards there are. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { isDatagrams, parseTarget, targetText } from "../client/target.ts";
import { spanSeconds, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { addForwardList } from "./forward-list.ts";
import { addForwardWriting } from "./forward-write.ts";
import { type Forward, forwardUntil } from "./forwarding.ts";
import { datagramPlace, planForwards } from "./listen-place.ts";
import { namedPeer } from "./peer-name.ts";

interface ForwardOptions {
  readonly address: string;
  readonly proxyProtocol?: boolean;
  readonly udpIdle: number;
  readonly verbose?: boolean;
}

const targetsHelp = `
A target is one of these, with /udp behind it for datagrams:
  app/NAMESPACE/NAME:PORT       an app
  service/NAMESPACE/NAME:PORT   a Service
  address/NAME:PORT             an address that the peer's policy names
  route/HOST                    the Service behind a host of the peer's Ingress or route
  node/NAME                     what the kubelet of a node tells
  kubernetes                    the Kubernetes API
  metrics                       the metrics of its agent

Behind each target stand the places to listen at: [ADDRESS:]LOCAL[:PORT], :0 for any free port, or unix:PATH.
  fairlead forward berlin app/default/web:http 8080
  fairlead forward berlin service/shop/db:5432 5432 kubernetes 127.0.0.2:6443`;

export function addForwardCommand(program: Command, context: CliContext): void {
  const { terminal } = context;
  const forward = program
    .command("forward <peer> <target> [listen...]")
    .summary("make ports of what a peer has ports of this machine")
    .description("make ports of what a peer has ports of this machine, until Ctrl-C")
    .addOption(new Option("--address <address>", "the address to listen on where none is said").default("127.0.0.1"))
    .option("--proxy-protocol", "begin each connection with a PROXY header (version 2) that says who connected here")
    .addOption(
      new Option("--udp-idle <time>", "when a flow of datagrams ends that nobody uses, such as 30s; 5m at most")
        .argParser(idleSeconds)
        .default(60, "60s"),
    )
    .option("--verbose", "a line for each connection that begins and ends")
    .helpCommand(false)
    .addHelpText("after", targetsHelp)
    .addHelpText("after", "\nA peer that is called as a command is, such as list, is named peer/list.");
  addForwardList(forward, context);
  addForwardWriting(forward, context);
  forward.action((named: string, first: string, rest: string[], options: ForwardOptions) => {
    const peer = namedPeer(named);
    const plans = planForwards([first, ...rest], parseTarget, options.address);
    return withAgent(forward, context, async (connection, signal) => {
      // A peer that is not known is told before anything listens.
      await connection.client.peers.getPeer({ name: peer }, { signal });
      const forwards = plans.map(({ target, place }): Forward => {
        const what = `${targetText(target)} at ${peer}`;
        if (!isDatagrams(target)) return { what, place, dial: (session, stop) => session.dial(target, peer, stop) };
        const datagramsAt = datagramPlace(place, options.proxyProtocol ?? false);
        return { what, datagramsAt, dial: (session, stop) => session.dialDatagrams(target, peer, stop) };
      });
      await forwardUntil(
        {
          connection,
          forwards,
          ...options,
          idleMs: options.udpIdle * 1_000,
          out: (line) => terminal.out(line),
          err: (line) => terminal.err(line),
        },
        signal,
      );
    });
  });
}

/** The peer keeps no flow longer, and one that ends at once is none. */
function idleSeconds(text: string): number {
  const seconds = spanSeconds(text);
  if (seconds >= 1 && seconds <= 300) return seconds;
  throw new InvalidArgumentError("It must be from 1s to 5m; the peer keeps no flow longer than that.");
}
