/** The console's port under test, as agents have it: `createConsoleServer`, with the suite's service in place of the API. */
import { createRegistry } from "@bufbuild/protobuf";
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "../../../.cache/conformance/gen/connectrpc/conformance/v1/server_compat_pb.ts";
import {
  ConformanceService,
  file_connectrpc_conformance_v1_service,
} from "../../../.cache/conformance/gen/connectrpc/conformance/v1/service_pb.ts";
import { authority, startConsole } from "../../console/console-world.ts";
import { person } from "../../console/people.ts";
import { readMessages, writeMessage } from "./delimited.ts";
import { conformanceService } from "./service.ts";

const suite = person("conformance");
// Its answers hold messages of its own that are told by name.
const jsonOptions = { registry: createRegistry(...file_connectrpc_conformance_v1_service.messages) };

for await (const { useTls } of readMessages(ServerCompatRequestSchema)) {
  const { port } = await startConsole({
    routes: (router) => void router.service(ConformanceService, conformanceService, { jsonOptions }),
    // The suite's clients have no credentials.
    ways: [{ authenticate: async () => suite, present: () => suite }],
  });
  const pemCert = new TextEncoder().encode(useTls ? authority.certPem : "");
  writeMessage(ServerCompatResponseSchema, { host: "127.0.0.1", port, pemCert });
  break;
}
process.once("SIGTERM", () => process.exit(0));
