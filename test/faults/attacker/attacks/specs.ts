/** Specs that ask for what no app may have, that are too much, or that mean two things. */
import type { Attack } from "../attack.ts";
import { trySpecs } from "../attempts.ts";

const image = "fairlead.dev/echo:1";

export const specAttacks: readonly Attack[] = [
  {
    name: "a spec with fields that the host does not know runs nowhere, whatever their depth",
    who: "peer",
    tries:
      "Asks for what no app may have (`securityContext`, `hostNetwork`, `serviceAccountName`, `volumes`), at any depth and in any spelling.",
    stops: "A spec is read strictly: a field that the host does not know is named, and the whole is refused.",
    attempt: ({ mallory }) =>
      trySpecs(mallory, {
        securityContext: { image, securityContext: { privileged: true } },
        hostNetwork: { image, hostNetwork: true },
        serviceAccountName: { image, serviceAccountName: "fairlead" },
        service_account_name: { image, service_account_name: "fairlead" },
        volumes: { image, volumes: [{ hostPath: { path: "/" } }] },
        template: { image, template: { spec: { hostPID: true } } },
        "ports[].hostPort": { image, ports: [{ containerPort: 80, hostPort: 80 }] },
        "env[].valueFrom": {
          image,
          env: [{ name: "KEY", valueFrom: { secretKeyRef: { name: "fairlead", key: "k" } } }],
        },
        "resources.claims": { image, resources: { claims: [{ name: "gpu" }] } },
        "a field with a null": { image, nodeName: null },
        "a key __proto__": `{"image":"${image}","__proto__":{"securityContext":{"privileged":true}}}`,
        constructor: `{"image":"${image}","constructor":{"prototype":{}}}`,
      }),
    expect: {
      securityContext: "Invalid unknown-field",
      hostNetwork: "Invalid unknown-field",
      serviceAccountName: "Invalid unknown-field",
      service_account_name: "Invalid unknown-field",
      volumes: "Invalid unknown-field",
      template: "Invalid unknown-field",
      "ports[].hostPort": "Invalid unknown-field",
      "env[].valueFrom": "Invalid unknown-field",
      "resources.claims": "Invalid unknown-field",
      "a field with a null": "Invalid unknown-field",
      "a key __proto__": "Invalid unknown-field",
      constructor: "Invalid unknown-field",
    },
  },
  {
    name: "a spec that is too long, too deep or no text at all is refused, and costs nothing that lasts",
    who: "peer",
    tries: "Sends specs of a megabyte, of 100,000 levels, with 100,000 variables, or that are no JSON.",
    stops: "Lengths, items and depths are bounded before anything is judged; each answer says which bound it was.",
    attempt: ({ mallory }) =>
      trySpecs(mallory, {
        "no JSON": "image: x",
        "a list": "[]",
        nothing: "",
        null: "null",
        "300 KiB": { image, args: ["x".repeat(300 * 1024)] },
        "over 1 MiB": { image, args: ["x".repeat(1024 * 1024)] },
        "100,000 levels": "[".repeat(100_000),
        "60,000 levels in a quantity": `{"image":"${image}","resources":{"limits":{"cpu":${"[".repeat(60_000)}${"]".repeat(60_000)}}}}`,
        "30,000 levels in an object": `{"image":"${image}","resources":{"limits":{"cpu":${'{"a":'.repeat(30_000)}1${"}".repeat(30_000)}}}}`,
        "10,000 variables": { image, env: Array.from({ length: 10_000 }, (_, index) => ({ name: `V${index}` })) },
        "1,000 variables": { image, env: Array.from({ length: 1_000 }, (_, index) => ({ name: `V${index}` })) },
        "10,000 limits": {
          image,
          resources: { limits: Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`r${index}`, "1"])) },
        },
        "half a character in an argument": `{"image":"${image}","args":["\\ud800"]}`,
        "a variable twice": { image, env: [{ name: "A" }, { name: "A" }] },
        "a replica too many": { image, replicas: 1_001 },
        "replicas below nothing": { image, replicas: -1 },
        "replicas as a text": { image, replicas: "many" },
        "half a replica": { image, replicas: 0.5 },
        "a peer's name": { image, peer: "alice" },
      }),
    expect: {
      "no JSON": "Invalid json",
      "a list": "Invalid json",
      nothing: "Invalid json",
      null: "Invalid json",
      "300 KiB": "TooLarge, although the check says: Invalid max_bytes",
      "over 1 MiB": "ends InvalidArgument, although the check says: InvalidArgument",
      "100,000 levels": "Invalid json",
      "60,000 levels in a quantity": "Invalid type",
      "30,000 levels in an object": "Invalid type",
      "10,000 variables": "Invalid max_items",
      "1,000 variables": "Invalid repeated.max_items",
      "10,000 limits": "Invalid map.max_pairs",
      "half a character in an argument": /^Invalid /,
      "a variable twice": "Invalid unique",
      "a replica too many": "Invalid int32.gte_lte",
      "replicas below nothing": "Invalid int32.gte_lte",
      "replicas as a text": "Invalid type",
      "half a replica": "Invalid type",
      "a peer's name": /^Invalid /,
    },
  },
];
