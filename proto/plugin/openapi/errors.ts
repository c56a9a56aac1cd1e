/** How calls fail, in Connect's protocol: https://connectrpc.com/docs/protocol#error-codes. */
import type { DescMessage } from "@bufbuild/protobuf";
import type { Schema } from "./constraints.ts";
import { wordsOf } from "./schemas.ts";

const codes: Readonly<Record<string, readonly string[]>> = {
  "400": ["invalid_argument", "failed_precondition", "out_of_range"],
  "401": ["unauthenticated"],
  "403": ["permission_denied"],
  "404": ["not_found"],
  "409": ["already_exists", "aborted"],
  "429": ["resource_exhausted"],
  "499": ["canceled"],
  "500": ["internal", "unknown", "data_loss"],
  "501": ["unimplemented"],
  "503": ["unavailable"],
  "504": ["deadline_exceeded"],
};

const meanings: Readonly<Record<string, string>> = {
  "400": "The request breaks a rule, which is named, or the time is not right for it.",
  "401": "Nobody is signed in.",
  "403": "The caller may not; which role is missing is named.",
  "404": "It is not there.",
  "409": "It is there already, or somebody else was faster.",
  "429": "Too much, or too often.",
  "499": "The caller has left.",
  "500": "A defect of the agent; its log says more.",
  "501": "This agent does not have this call.",
  "503": "Not now: a peer is not connected, or the agent stops.",
  "504": "It took longer than the caller had time for.",
};

const reference = (status: string): [string, Schema] => [status, { $ref: `#/components/responses/Error${status}` }];
const refused: Schema = {
  description:
    "The request is none that this call could be: its media type is not known here. Says in plain text which would be right.",
};

export const errorsOf = {
  calls: { ...Object.fromEntries(Object.keys(codes).map(reference)), "415": refused },
  /** What is said before a stream begins; from then on an error is in its end. */
  streams: { "415": refused },
  components: Object.fromEntries(
    Object.entries(codes).map(([status, named]) => [
      `Error${status}`,
      {
        description: `${meanings[status]} Code ${named.map((code) => `\`${code}\``).join(" or ")}.`,
        content: { "application/json": { schema: { $ref: "#/components/schemas/connect.Error" } } },
      },
    ]),
  ),
};

/** `details` are the messages that may come with an error. */
export function errorSchema(details: readonly DescMessage[]): Schema {
  const known = details.map((message) => `* \`${message.typeName}\`: ${wordsOf(message)}`);
  return {
    description: "Why a call failed.",
    type: "object",
    required: ["code"],
    properties: {
      code: { type: "string", enum: Object.values(codes).flat() },
      message: { type: "string", description: "For people." },
      details: {
        description: [
          "What programs can act on.",
          "* `buf.validate.Violations`: which fields break which rules.",
          ...known,
        ].join("\n"),
        type: "array",
        items: {
          type: "object",
          required: ["type", "value"],
          properties: {
            type: { type: "string", description: "The full name of the message." },
            value: { type: "string", contentEncoding: "base64", description: "The message in protobuf's binary form." },
            debug: { description: "The message as JSON." },
          },
        },
      },
    },
  };
}
