/**
 * The rules of the house (docs/architecture.md), over the texts of a tree. Pure. Each function returns what breaks its
 * rule, in sentences that say which rule it was and where.
 */
import { posix } from "node:path";

export interface SourceFile {
  /** From the root of the project, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** What stands on which floor. A name is a folder of src, or a file of src without its ending. */
const floors: readonly (readonly string[])[] = [
  ["base", "gen"],
  ["wire", "identity", "telemetry"],
  ["rpc", "link", "kube"],
  ["peering", "policy", "audit", "intent", "client"],
  ["workloads", "deliveries", "tunnel", "pods", "images", "doctor", "standalone"],
  ["console", "sandbox"],
  ["start", "main", "demo", "agent", "config", "cli"],
];

/** On the top floor the process ties the rest together: who may import whom there. */
const onTop: Readonly<Record<string, readonly string[]>> = {
  start: ["main", "cli"],
  main: ["demo", "agent", "config", "cli"],
  demo: ["agent", "config"],
  agent: ["config"],
  cli: ["config"], // The flags of `fairlead agent` are the settings.
};

/** Rooms that see less than what lies below them, and why. */
const narrow: Readonly<Record<string, { sees: readonly string[]; why: string }>> = {
  cli: {
    sees: ["base", "gen", "client", "config"],
    why: "the CLI stands on the published client, so that others can do what it does",
  },
  sandbox: {
    sees: ["base"],
    why: "the agent and the sandbox meet in the Kubernetes API and nowhere else",
  },
  gen: { sees: [], why: "generated code knows only the runtime of protobuf" },
};

/** The rooms of the console's pages, in ui/src, and what each sees of the others. */
const pageRooms: Readonly<Record<string, { sees: readonly string[]; why: string }>> = {
  model: { sees: [], why: "what the pages think is values and nothing else" },
  state: { sees: ["model"], why: "the state is there without anything that draws" },
  elements: { sees: ["model", "styles"], why: "elements draw what they are given" },
  dialogs: { sees: ["model", "elements"], why: "dialogs ask, and do not fetch" },
};

/** Packages that one room wraps for all others. A name that ends in a slash stands for its whole scope. */
const soleImporters: Readonly<Record<string, string>> = {
  "node-forge": "identity",
  ws: "link",
  "@kubernetes/client-node": "kube",
  fastify: "console",
  "@fastify/": "console",
  "openid-client": "console",
  pino: "telemetry",
  "prom-client": "telemetry",
  commander: "cli",
};

const longest = 400;
const emptyNames = /^(utils?|helpers?|common|shared|misc|managers?|types?)$/;

export function checkArchitecture(files: readonly SourceFile[]): string[] {
  const imports = files.filter((file) => isCode(file.path)).flatMap(readImports);
  return [
    ...imports.flatMap(checkFloor),
    ...imports.flatMap(checkSoleImporter),
    ...findCycles(imports),
    ...files.flatMap(checkLength),
    ...files.flatMap(checkName),
    ...files.flatMap(checkState),
  ];
}

interface Import {
  readonly from: string;
  /** A path from the root for a relative import, else the name of a module as it is written. */
  readonly to: string;
  readonly relative: boolean;
}

const statement = /^\s*(?:import|export)\b[^;"'`]*?\bfrom\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']/gm;
const dynamic = /\bimport\(\s*["']([^"']+)["']/g;

function readImports({ path, text }: SourceFile): Import[] {
  const code = text.replaceAll(/^\s*(\/\*\*?|\*|\/\/).*$/gm, "");
  const names = [...code.matchAll(statement), ...code.matchAll(dynamic)].flatMap((match) => match[1] ?? match[2] ?? []);
  return names.map((name) =>
    name.startsWith(".")
      ? { from: path, to: posix.join(posix.dirname(path), name), relative: true }
      : { from: path, to: name, relative: false },
  );
}

function checkFloor({ from, to, relative }: Import): string[] {
  if (!relative) return [];
  const where = `${from} imports ${to}`;
  if (from.startsWith("ui/src/")) return checkPages(from, to, where);
  if (!from.startsWith("src/")) return [];
  if (!to.startsWith("src/")) return [`${where}: what runs never imports what is beside src.`];
  const [room, other] = [roomOf(from), roomOf(to)];
  if (room === other) return [];
  const [floor, otherFloor] = [floorOf(room), floorOf(other)];
  if (floor === -1)
    return [`${from}: "${room}" is no room of the house. Give it a floor in test/architecture/rules.ts.`];
  if (otherFloor === -1) return []; // Told of where that room's own files are looked at.
  const limits = narrow[room];
  if (limits && !limits.sees.includes(other)) {
    const allowed = limits.sees.length > 0 ? limits.sees.join(", ") : "nothing";
    return [`${where}: ${room} may import ${allowed}, because ${limits.why}.`];
  }
  if (otherFloor > floor) {
    return [`${where}: that goes upward, from floor ${floor} (${room}) to floor ${otherFloor} (${other}).`];
  }
  if (otherFloor === floor && !onTop[room]?.includes(other)) {
    return [
      `${where}: that goes sideways. ${room} and ${other} share floor ${floor}, and rooms of one floor do not meet.`,
    ];
  }
  return [];
}

/** Of the console's pages: what they see of src, and that what draws does not fetch. */
function checkPages(from: string, to: string, where: string): string[] {
  if (to.startsWith("src/")) {
    const isSeen = /^src\/(gen|client)\/|^src\/base\/clock\.ts$/.test(to);
    return isSeen
      ? []
      : [`${where}: the console's pages see src/gen, src/client and src/base/clock.ts, and nothing else of src.`];
  }
  const [room, other] = [pageRoomOf(from), pageRoomOf(to)];
  const limits = pageRooms[room];
  if (!limits || room === other || other === "" || limits.sees.includes(other)) return [];
  return [`${where}: ${room} may import ${limits.sees.join(", ") || "nothing else"}, because ${limits.why}.`];
}

/** The folder of a file of the console's pages; empty for what ties them together. */
function pageRoomOf(path: string): string {
  return /^ui\/src\/([^/]+)\//.exec(path)?.[1] ?? "";
}

function checkSoleImporter({ from, to, relative }: Import): string[] {
  if (relative || !from.startsWith("src/")) return [];
  const entry = Object.entries(soleImporters).find(([name]) =>
    name.endsWith("/") ? to.startsWith(name) : to === name || to.startsWith(`${name}/`),
  );
  if (!entry || roomOf(from) === entry[1]) return [];
  return [`${from} imports ${to}: only src/${entry[1]} does, and others use what it makes of it.`];
}

/** Each cycle once, named from its first file in alphabetical order. */
function findCycles(imports: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to, relative } of imports) {
    if (relative && from.startsWith("src/")) next.set(from, [...(next.get(from) ?? []), to]);
  }
  const found = new Set<string>();
  const done = new Set<string>();
  const visit = (path: string, above: string[]): void => {
    const start = above.indexOf(path);
    if (start >= 0) {
      const loop = above.slice(start);
      const first = loop.indexOf([...loop].sort()[0] ?? path);
      const turned = [...loop.slice(first), ...loop.slice(0, first)];
      found.add(`${[...turned, turned[0]].join(" → ")}: an import cycle. Neither can be understood without the other.`);
      return;
    }
    if (done.has(path)) return;
    for (const to of next.get(path) ?? []) visit(to, [...above, path]);
    done.add(path);
  };
  for (const path of [...next.keys()].sort()) visit(path, []);
  return [...found];
}

function checkLength({ path, text }: SourceFile): string[] {
  if (isGenerated(path) || !/\.(ts|css)$/.test(path)) return [];
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  return lines > longest
    ? [`${path} has ${lines} lines: a file has ${longest} at most. It holds more than one purpose.`]
    : [];
}

function checkName({ path }: SourceFile): string[] {
  if (isGenerated(path)) return [];
  const parts = path.split("/").map((part) => part.replace(/\..*$/, ""));
  const empty = parts.find((part) => emptyNames.test(part));
  if (empty) return [`${path}: "${empty}" names no purpose. Say what is in it.`];
  const odd = isCode(path) ? parts.find((part) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(part)) : undefined;
  return odd ? [`${path}: "${odd}" is not in kebab-case.`] : [];
}

/** Found by form: the formatter leaves a declaration of the module, and only that, at the start of its line. */
function checkState({ path, text }: SourceFile): string[] {
  if (!path.startsWith("src/") || isGenerated(path)) return [];
  const match = /^(?:export )?(?:let|var) (\w+)/m.exec(text);
  return match
    ? [`${path}: "${match[1]}" is mutable state of a module. Two agents live in one process; give it an owner.`]
    : [];
}

function roomOf(path: string): string {
  const [, name = ""] = path.split("/");
  const room = name.replace(/\.ts$/, "");
  // Of two files of src itself that begin alike, the longer name is a part of the shorter.
  return room.replace(/^(config|agent)-.*/, "$1");
}

function floorOf(room: string): number {
  return floors.findIndex((rooms) => rooms.includes(room));
}

function isGenerated(path: string): boolean {
  return /^(src|test)\/gen\//.test(path);
}

function isCode(path: string): boolean {
  return path.endsWith(".ts");
}
