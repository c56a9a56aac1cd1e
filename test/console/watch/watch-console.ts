/** A console's port with nothing to serve but watches, over sources that a test moves. */
import { silentLog } from "../../../src/base/log.ts";
import { createRefuser } from "../../../src/console/access/refuser.ts";
import { createWatchService } from "../../../src/console/api/watch-service.ts";
import { createEventsDoor } from "../../../src/console/watch/events-door.ts";
import { WatchService } from "../../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { type ConsoleWorld, startConsole } from "../console-world.ts";
import { accessBy, createOffice, type Office } from "../people.ts";
import { grace, startWatches, type WatchWorld } from "./watch-world.ts";

export interface WatchConsole extends AsyncDisposable {
  readonly world: WatchWorld;
  readonly office: Office;
  readonly console: ConsoleWorld;
  readonly port: number;
}

/** Whoever is in the office comes by the token of their name. */
export async function startWatchConsole(
  o: Parameters<typeof startWatches>[0] & { untakenMs?: number } = {},
): Promise<WatchConsole> {
  const office = createOffice({ grace });
  const world = startWatches({ ...o, present: office.present });
  const { authenticator } = accessBy([office]);
  const refuse = createRefuser({ admins: () => ["grace"], refused: () => undefined });
  const console = await startConsole({
    ways: [office],
    ...(o.untakenMs !== undefined && { untakenMs: o.untakenMs }),
    routes: (router) => void router.service(WatchService, createWatchService({ hub: world.hub })),
    events: createEventsDoor({ hub: world.hub, authenticator, refuse, log: silentLog }),
  });
  return {
    world,
    office,
    console,
    port: console.port,
    async [Symbol.asyncDispose]() {
      await console[Symbol.asyncDispose]();
      world.hub.close();
    },
  };
}
