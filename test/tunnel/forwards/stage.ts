/** What Services of Forwards need around them, with the API server in the test's hands and sockets that are real. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { silentLog } from "../../../src/base/log.ts";
import type { EndpointSlice } from "../../../src/kube/resources.ts";
import { endpointSlices } from "../../../src/kube/resources.ts";
import { ConnectionBound } from "../../../src/tunnel/forwards/connection-bound.ts";
import { PortRange } from "../../../src/tunnel/forwards/port-range.ts";
import { createServiceMaker } from "../../../src/tunnel/forwards/service-maker.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { patience } from "../../patience.ts";
import { createObjects } from "./objects.ts";

/** An address of loopback for this test alone, so that nobody else has its ports. */
export function ownAddress(): string {
  const [a = 0, b = 0, c = 0] = randomBytes(3);
  return `127.${1 + (a % 250)}.${b}.${1 + (c % 250)}`;
}

export function createStage(ports: number) {
  const objects = createObjects();
  const clock = createFakeClock();
  const address = ownAddress();
  const range = new PortRange(address, { first: 20_000, last: 19_999 + ports });
  const refusals: string[] = [];
  const maker = createServiceMaker({
    client: objects.client,
    grantHint: (namespace) => `let it in ${namespace}.`,
    refusal(words) {
      refusals.push(words);
      return "The cluster refuses it.";
    },
  });
  const entrance = { place: { address }, range };
  const bound = new ConnectionBound(1_000);
  const { client } = objects;
  const deps = {
    client,
    clock,
    log: silentLog,
    maker,
    entrance,
    bound,
    noPorts: "none is left",
    onFare: () => undefined,
  };
  return { objects, clock, address, range, maker, refusals, deps };
}

export async function readSlice(
  { objects }: Pick<ReturnType<typeof createStage>, "objects">,
  namespace: string,
  service: string,
): Promise<EndpointSlice | undefined> {
  return objects.client.get(endpointSlices, { namespace, name: `${service}-fairlead` }, patience());
}

/** Resolves with a connection; or with undefined when nobody listens there. */
export async function tryConnect(host: string, port: number): Promise<Socket | undefined> {
  const socket = connect({ host, port, allowHalfOpen: true });
  const refused = await once(socket, "connect", { signal: patience() }).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === "ECONNREFUSED",
  );
  socket.on("error", () => undefined);
  return refused ? undefined : socket;
}
