/** Words that no origin says: bytes that no codec makes, the host's own words, more than a page holds. */
import { toBinary } from "@bufbuild/protobuf";
import {
  IntentService,
  SyncRequestSchema,
  SyncResponseSchema,
} from "../../../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { request, response } from "../../../../src/intent/messages.ts";
import { until } from "../../../patience.ts";
import type { Attack } from "../attack.ts";
import { begin, nothingHeld, type Word, wish } from "../attacker.ts";

const path = `/${IntentService.typeName}/Sync`;

export const wordAttacks: readonly Attack[] = [
  {
    name: "words in the wrong direction, cut messages and letters that are none end the conversation or mean nothing",
    who: "peer",
    tries:
      "Says to a host what only hosts say, sends messages that are cut or have fields twice, names that are no UTF-8, a page too many.",
    stops:
      "Each message is read by its schema and held to its rules before anything is done with it; what is unknown is skipped, what is wrong ends the conversation.",
    async attempt({ mallory, aliceApp }) {
      const start = [begin, nothingHeld].map((word) => toBinary(SyncRequestSchema, request(word)));
      const asHost = (answer: Parameters<typeof response>[0]) => toBinary(SyncResponseSchema, response(answer));
      const honest = Buffer.from(toBinary(SyncRequestSchema, request(wish({ uid: "m-1", name: "abcdef" }))));
      const raw: Record<string, Uint8Array> = {
        "a state of another's app": asHost({ case: "state", value: { uid: aliceApp, generation: 1n, status: "{}" } }),
        "a need": asHost({ case: "need", value: { uids: [aliceApp] } }),
        "a refusal": asHost({ case: "refusal", value: { uid: aliceApp, reason: "Denied" } }),
        "a list of orphans": asHost({ case: "orphans", value: { orphans: [{ uid: aliceApp }] } }),
        "a wish that is cut": honest.subarray(0, honest.length - 5),
        "a name that is no UTF-8": Buffer.from(honest.toString("latin1").replace("abcdef", "ab\xff\xfeef"), "latin1"),
        noise: Buffer.alloc(64, 0xff),
        "an empty message": new Uint8Array(),
        "a wish and a tombstone in one": Buffer.concat([
          honest,
          toBinary(SyncRequestSchema, request({ case: "tombstone", value: { uid: aliceApp } })),
        ]),
      };
      const outcomes: Record<string, string> = {};
      for (const [what, bytes] of Object.entries(raw)) outcomes[what] = await mallory.call(path, [...start, bytes]);
      const page = (count: number, from: number, complete = false): Word => {
        const entries = Array.from({ length: count }, (_, index) => ({
          uid: `x-${from + index}`,
          generation: 1n,
          hash: "h",
        }));
        return { case: "digest", value: { entries, complete } };
      };
      const pages = Array.from({ length: 21 }, (_, index) => page(500, index * 500));
      const talks: Record<string, readonly Word[]> = {
        "501 entries in a page": [begin, page(501, 0, true)],
        "10,500 entries": [begin, ...pages],
        "a wish before the digest's end": [begin, wish()],
        "no beginning": [nothingHeld],
        "another kind": [{ case: "begin", value: { kind: "secrets" } }],
        "a kind that is a path": [{ case: "begin", value: { kind: "../workload" } }],
      };
      for (const [what, words] of Object.entries(talks)) {
        const talk = await mallory.converse(words);
        outcomes[what] = await until(`${what} is answered`, () => talk.end);
      }
      return outcomes;
    },
    expect: {
      // A host's words are other fields of what an origin says, or none: here the deletion of what is not the caller's.
      "a state of another's app": "OK",
      "a need": "InvalidArgument",
      "a refusal": "OK",
      "a list of orphans": "OK",
      "a wish that is cut": "Internal",
      "a name that is no UTF-8": "Internal",
      noise: "Internal",
      "an empty message": "OK",
      "a wish and a tombstone in one": "OK",
      "501 entries in a page": "ends InvalidArgument",
      "10,500 entries": "ends InvalidArgument",
      "a wish before the digest's end": "ends InvalidArgument",
      "no beginning": "ends InvalidArgument",
      "another kind": "ends Unimplemented",
      "a kind that is a path": "ends InvalidArgument",
    },
  },
];
