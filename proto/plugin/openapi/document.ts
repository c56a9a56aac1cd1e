/** The console's API as an OpenAPI 3.1 document. */
import { type DescFile, type DescMethod, type DescService, getOption, hasOption } from "@bufbuild/protobuf";
import {
  access as accessOption,
  RoleSchema,
  Scope,
  ScopeSchema,
} from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import { UntranslatableError } from "../json-schema.ts";
import type { Schema } from "./constraints.ts";
import { errorSchema, errorsOf } from "./errors.ts";
import { refTo, schemasOf, wordsOf } from "./schemas.ts";

/** Throws `UntranslatableError` when something cannot be said in it. */
export function openApiDocument(files: readonly DescFile[]): object {
  const services = files.flatMap((file) => file.services).sort((a, b) => (a.name < b.name ? -1 : 1));
  const methods = services.flatMap((service) => service.methods);
  const told = methods.filter(isTold);
  const details = files.filter(({ name }) => name.endsWith("/error")).flatMap(({ messages }) => messages);
  return {
    openapi: "3.1.0",
    info: {
      title: "Fairlead",
      version: "v1",
      summary: "The API of an agent's console.",
      description: about(methods.filter((method) => !isTold(method))),
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "The console's port, 8000 unless set otherwise." }],
    security: [{ token: [] }, { session: [] }],
    tags: services.map((service) => ({ name: service.name, description: wordsOf(service) })),
    paths: Object.fromEntries([
      ...told.map((method) => [`/${method.parent.typeName}/${method.name}`, { post: operation(method) }]),
      ["/events", { get: events }],
      ["/openapi.yaml", { get: thisDocument }],
    ]),
    components: {
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          description: "An API token, the agent's own administrator token, or a Kubernetes token for this agent.",
        },
        session: {
          type: "apiKey",
          in: "cookie",
          name: "__Host-fairlead",
          description:
            "Of who has signed in with a browser; the name ends with the port where that is not the usual one. It counts for requests of the console's own pages alone.",
        },
      },
      schemas: {
        ...schemasOf([...told.flatMap(({ input, output }) => [input, output]), ...details]),
        "connect.Error": errorSchema(details),
      },
      parameters: { timeout },
      responses: errorsOf.components,
    },
  };
}

/** Calls of many requests have no counterpart in OpenAPI. */
function isTold({ methodKind }: DescMethod): boolean {
  return methodKind === "unary" || methodKind === "server_streaming";
}

const timeout: Schema = {
  name: "Connect-Timeout-Ms",
  in: "header",
  description: "How long the caller waits, in milliseconds. The agent stops then, too.",
  schema: { type: "integer", minimum: 1, maximum: 2 ** 31 - 1 },
};

/** What `WatchService.Watch` says, for who reads server-sent events. It is no call, so its words stand here. */
const events: Schema = {
  operationId: "Events",
  tags: ["WatchService"],
  summary: "Changes as server-sent events.",
  description:
    "By its `event:` a `data:` is JSON of a `fairlead.console.v1.Change` (`change`), of a `fairlead.console.v1.Reset` (`reset`), `{}` (`synced`: all that was there is told), or `{code, message}` (`end`). Each `id:` is what goes on after it, as `Last-Event-ID` or `resume`. Comments are signs of life.",
  parameters: [
    ...[
      ["topics", 'Topics, separated by commas: "apps" is TOPIC_APPS. All that the caller may see unless given.'],
      ["namespace", "Only of this namespace."],
      ["peer", "Only what this peer has to do with."],
      ["name", "Only the one of this name."],
      ["labelSelector", "Only with these labels, in Kubernetes' selector syntax."],
      ["resume", "To go on where an earlier stream was."],
    ].map(([name, description]) => ({ name, in: "query", description, schema: { type: "string" } })),
    { name: "Last-Event-ID", in: "header", schema: { type: "string", maxLength: 256 } },
  ],
  responses: {
    "200": {
      description: "As long as the client reads.",
      content: { "text/event-stream": { schema: { type: "string" } } },
    },
    ...Object.fromEntries(
      ["400", "401", "403", "429", "503"].map((status) => [status, { $ref: `#/components/responses/Error${status}` }]),
    ),
  },
};

const thisDocument: Schema = {
  operationId: "OpenApi",
  summary: "This document.",
  security: [],
  responses: {
    "200": { description: "OpenAPI 3.1.", content: { "application/yaml": { schema: { type: "string" } } } },
  },
};

function about(left: readonly DescMethod[]): string {
  const names = left.map(({ parent, name }) => `\`${parent.typeName}/${name}\``).join(" and ");
  return [
    "The same API that the console and the command line use, as JSON over HTTP: Connect's protocol. The same port speaks gRPC and gRPC-Web, too, and tells its protos by gRPC's server reflection.",
    "A call is a POST of one JSON object, `{}` for nothing. Fields that are not set are left out of answers; a field that is not known in a request is ignored. Numbers of 64 bits are strings. Where the schema of a request is weaker than what is checked, the answer names the field and the rule.",
    "Calls that answer with a stream have the media type `application/connect+json`: each message of request and answer is preceded by five bytes, of which the first says what follows (0: a message; 2: the end, with an error if there was one) and the others how many bytes that are, most significant first. With curl: `printf '\\0\\0\\0\\0\\2{}' | curl --no-buffer --data-binary @- -H 'Content-Type: application/connect+json' …`.",
    ...(names === "" ? [] : [`Calls that take a stream of requests are not in this document: ${names}.`]),
  ].join("\n\n");
}

function operation(method: DescMethod): Schema {
  const words = wordsOf(method);
  const [summary = ""] = words.split(/(?<=\.)\s/);
  const { input, output, parent, name } = method;
  const isStream = method.methodKind === "server_streaming";
  return {
    operationId: `${parent.name}_${name}`,
    tags: [parent.name],
    summary,
    ...(words !== summary && { description: words }),
    ...(method.deprecated && { deprecated: true }),
    ...accessOf(method, parent),
    parameters: [{ $ref: "#/components/parameters/timeout" }],
    requestBody: { required: true, content: isStream ? envelopes(refTo(input)) : json(refTo(input)) },
    responses: {
      "200": {
        description: isStream ? "Messages as they come, and the end." : "Done.",
        content: isStream ? envelopes(refTo(output)) : json(refTo(output)),
      },
      // Of a stream, errors are in its end.
      ...(isStream ? errorsOf.streams : errorsOf.calls),
    },
  };
}

function json(schema: Schema): Schema {
  return { "application/json": { schema } };
}

function envelopes(message: Schema): Schema {
  return { "application/connect+json": { schema: { type: "string", format: "binary" }, "x-message": message } };
}

function accessOf(method: DescMethod, parent: DescService): Schema {
  if (!hasOption(method, accessOption)) {
    throw new UntranslatableError(`${parent.typeName}.${method.name}`, "it does not say who may call it");
  }
  const { role, scope, fields } = getOption(method, accessOption);
  const said = {
    ...(role !== 0 && { role: RoleSchema.value[role]?.name }),
    scope: ScopeSchema.value[scope]?.name,
    ...(fields.length > 0 && { fields }),
  };
  return { ...(scope === Scope.EVERYBODY && { security: [] }), "x-fairlead-access": said };
}
