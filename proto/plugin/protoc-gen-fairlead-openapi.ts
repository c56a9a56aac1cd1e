/** A protoc plugin that writes the console's API as an OpenAPI 3.1 document, for programs that speak JSON over HTTP. */
import { createEcmaScriptPlugin, runNodeJs } from "@bufbuild/protoplugin";
import { stringify } from "yaml";
import { openApiDocument } from "./openapi/document.ts";

runNodeJs(
  createEcmaScriptPlugin({
    name: "protoc-gen-fairlead-openapi",
    version: "v1",
    generateTs(schema) {
      const files = schema.files.filter(({ proto }) => proto.package === "fairlead.console.v1");
      const file = schema.generateFile("openapi.yaml");
      file.print("# Generated from proto/fairlead/console/v1. Do not edit.");
      file.print(stringify(openApiDocument(files), { lineWidth: 0, aliasDuplicateObjects: false }).trimEnd());
    },
  }),
);
