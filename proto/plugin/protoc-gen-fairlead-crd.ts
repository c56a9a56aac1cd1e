/**
 * A protoc plugin that writes what the API server and the reader need of the resources in `fairlead/resources`: with the
 * option `write=definitions` a CustomResourceDefinition each, with `write=pages` a reference page each, and with
 * `write=fragments` what the agent needs to judge the fragments of Kubernetes' objects in them.
 */
import { createEcmaScriptPlugin, runNodeJs, type Schema } from "@bufbuild/protoplugin";
import { stringify } from "yaml";
import { definition, definitionName, installedResources } from "./definition.ts";
import { fragmentsModule } from "./fragments.ts";
import { page } from "./page.ts";
import { type Published, readPublished } from "./published.ts";

const outputs = ["definitions", "pages", "fragments"] as const;
type Output = (typeof outputs)[number];

runNodeJs(
  createEcmaScriptPlugin<{ write: Output }>({
    name: "protoc-gen-fairlead-crd",
    version: "v1",
    parseOptions(options) {
      const said = options.find(({ key }) => key === "write")?.value;
      const write = outputs.find((each) => each === said);
      if (!write) throw new Error(`Say ${outputs.map((each) => `write=${each}`).join(" or ")}.`);
      return { write };
    },
    generateTs(schema) {
      generate(schema, readPublished(new URL("../kubernetes/published.json", import.meta.url)));
    },
  }),
);

function generate(schema: Schema<{ write: Output }>, published: Published): void {
  const resources = installedResources(schema.files.flatMap((file) => file.messages));
  if (schema.options.write === "fragments") {
    schema.generateFile("fragments.ts").print(fragmentsModule(resources, published));
    return;
  }
  for (const message of resources) {
    const source = `proto/${message.file.name}.proto`;
    if (schema.options.write === "pages") {
      const file = schema.generateFile(`${message.name.toLowerCase()}.md`);
      file.print(`<!-- Generated from ${source}. Do not edit. -->`);
      file.print(page(message, published).trimEnd());
    } else {
      const file = schema.generateFile(`${definitionName(message)}.yaml`);
      file.print(`# Generated from ${source}. Do not edit.`);
      file.print(stringify(definition(message, published), { lineWidth: 0, aliasDuplicateObjects: false }).trimEnd());
    }
  }
}
