import { startPairWay } from "./link.ts";
import type { WayKind } from "./way.ts";

/** The door of an app at the console of the near agent: HTTP is read there and written anew, over one link. */
export const door: WayKind = { name: "door", httpOnly: true, start: (o) => startPairWay(o, ["--door"]) };
