/**
 * A protoc plugin that writes what the API server and the reader need of the resources in `fairlead/resources`: with the
 * option `write=definitions` a CustomResourceDefinition each, with `write=pages` a reference page each.
 */
import { createEcmaScriptPlugin, runNodeJs, type Schema } from "@bufbuild/protoplugin";
import { stringify } from "yaml";
import { definition, definitionName, installedResources } from "./definition.ts";
import { page } from "./page.ts";
import { type Published, readPublished } from "./published.ts";

type Output = "definitions" | "pages";

runNodeJs(
  createEcmaScriptPlugin<{ write: Output }>({
    name: "protoc-gen-fairlead-crd",
    version: "v1",
    parseOptions(options) {
      const write = options.find(({ key }) => key === "write")?.value;
      if (write !== "definitions" && write !== "pages") throw new Error("Say write=definitions or write=pages.");
      return { write };
    },
    generateTs(schema) {
      generate(schema, readPublished(new URL("../kubernetes/published.json", import.meta.url)));
    },
  }),
);

function generate(schema: Schema<{ write: Output }>, published: Published): void {
  for (const message of installedResources(schema.files.flatMap((file) => file.messages))) {
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
