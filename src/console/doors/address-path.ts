/**
 * The door to addresses that a peer's policy lists by name: `/peers/<peer>/addresses/<name>/<port>/…`. What is spoken there is HTTP,
 * unless the name is written as `h2c:<name>` or `https:<name>`.
 */
import { isNamespace, parsePort } from "../../wire/target-text.ts";
import { answerProblem } from "./exchange.ts";
import type { ForwardDeps } from "./pass-on.ts";
import type { PeerDoor } from "./peers-path.ts";
import { climbsOut } from "./request-target.ts";
import { passOnToTarget } from "./service-path.ts";

export function createAddressPathDoor(deps: ForwardDeps): PeerDoor {
  return {
    async serve(request, asked) {
      const parts = /^(\/(?:(https?|h2c):)?([^/%:]+)\/([^/%]+))(\/.*)?$/.exec(asked.rest);
      const [, own = "", written, name = "", portText = "", path = ""] = parts ?? [];
      const port = parsePort(portText);
      if (!isNamespace(name) || typeof port !== "number" || climbsOut(path)) {
        return answerProblem(request, {
          status: 404,
          code: "not-found",
          title: "Nothing here",
          detail:
            "An address's path is /peers/<peer>/addresses/<name>/<port>/…, with its port's number and without dot segments that lead out of it.",
        });
      }
      const scheme = written === "https" || written === "h2c" ? written : "http";
      await passOnToTarget(deps, request, asked, { target: { kind: "address", name, port }, scheme, own, path });
    },
  };
}
