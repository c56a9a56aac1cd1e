/** A resource's CustomResourceDefinition. */
import { type DescMessage, getOption, hasOption } from "@bufbuild/protobuf";
import {
  type ResourceOptions,
  resource as resourceOption,
} from "../../src/gen/fairlead/resources/v1alpha1/options_pb.ts";
import { type JsonSchema, UntranslatableError } from "./json-schema.ts";
import { describe, messageSchema } from "./message-schema.ts";
import { type Published, withOpenFragments } from "./published.ts";

/** The part of a message's full name that names the version, and the group that all resources are in. */
const version = "v1alpha1";
const group = "fairlead.dev";

/** Of these messages, those that are resources which are installed. */
export function installedResources(messages: readonly DescMessage[]): DescMessage[] {
  return messages.filter((message) => {
    const isResource = hasOption(message, resourceOption);
    return isResource && getOption(message, resourceOption).installed !== false;
  });
}

/** The file's name without its ending, such as "fairlead.dev_remoteapps". */
export function definitionName(message: DescMessage): string {
  return `${group}_${getOption(message, resourceOption).plural}`;
}

/** Throws `UntranslatableError` when anything in it cannot be said at the API server. */
export function definition(message: DescMessage, published: Published): object {
  const options = getOption(message, resourceOption);
  const { plural, scope } = options;
  if (!plural || !scope) throw new UntranslatableError(message.typeName, "a resource needs a plural and a scope");
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}`, labels: { "app.kubernetes.io/part-of": "fairlead" } },
    spec: {
      group,
      names: {
        kind: message.name,
        listKind: `${message.name}List`,
        plural,
        singular: options.singular ?? message.name.toLowerCase(),
        shortNames: options.shortNames,
        categories: options.categories,
      },
      scope,
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          additionalPrinterColumns: options.columns.map(({ name, type, path, wide }) => ({
            name,
            type,
            jsonPath: path,
            ...(wide ? { priority: 1 } : {}),
          })),
          subresources: subresources(options),
          schema: {
            openAPIV3Schema: rootSchema(message, options.openFragments ? withOpenFragments(published) : published),
          },
        },
      ],
    },
  };
}

function subresources(options: ResourceOptions): object {
  const { scale } = options;
  return {
    ...(options.status ? { status: {} } : {}),
    ...(scale
      ? {
          scale: {
            specReplicasPath: scale.specReplicas,
            statusReplicasPath: scale.statusReplicas,
            labelSelectorPath: scale.selector,
          },
        }
      : {}),
  };
}

function rootSchema(message: DescMessage, published: Published): JsonSchema {
  const own = messageSchema(message, published);
  const names = Object.keys(own.properties ?? {});
  const odd = names.find((name) => name !== "spec" && name !== "status");
  if (odd) throw new UntranslatableError(message.typeName, `a resource has a spec and a status, not a ${odd}`);
  return {
    description: describe(message),
    ...own,
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
      ...own.properties,
    },
  };
}
