import type { WayKind } from "./way.ts";

/** Nothing in between: what load, target and machine can do at all. */
export const direct: WayKind = {
  name: "direct",
  async start({ target, between }) {
    return { port: await between(target), pids: [], close: async () => undefined };
  },
};
