import { forkTold } from "../load/forked.ts";
import type { WayKind } from "./way.ts";

interface Told {
  readonly port: number;
  readonly fingerprint: string;
}

/** Node's TLS in a WebSocket, one a connection: what the link is compared with. */
export const bare: WayKind = {
  name: "bare TLS in a WebSocket",
  async start({ target, between }) {
    const far = await forkTold<Told>("ways/bare-end.ts", ["far", String(target)]);
    const dial = await between(far.told.port);
    const near = await forkTold<Told>("ways/bare-end.ts", ["near", String(dial), far.told.fingerprint]);
    return {
      port: near.told.port,
      pids: [near.pid, far.pid],
      async close() {
        await Promise.all([near.end(), far.end()]);
      },
    };
  },
};
