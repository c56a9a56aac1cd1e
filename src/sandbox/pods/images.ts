import { extname } from "node:path";

/** The images that the sandbox knows: small programs of its own. */
const programs: Readonly<Record<string, { file: string; listens: boolean }>> = {
  "fairlead.dev/demo-web": { file: "demo-web", listens: true },
  "fairlead.dev/echo": { file: "echo", listens: true },
  "fairlead.dev/once": { file: "once", listens: false },
  "fairlead.dev/crash": { file: "crash", listens: false },
};

export interface Program {
  url: URL;
  /** A program that listens is ready when it does; another one as soon as it runs. */
  listens: boolean;
}

/** The program behind an image such as `fairlead.dev/echo:1`, or undefined: then it cannot be pulled. */
export function programOf(image: string): Program | undefined {
  const [repository = "", tag] = image.split(":");
  const program = programs[repository];
  if (!program || (tag !== undefined && tag !== "1" && tag !== "latest")) return undefined;
  // A package holds JavaScript in place of the sources.
  const file = `../programs/${program.file}${extname(import.meta.url)}`;
  return { url: new URL(file, import.meta.url), listens: program.listens };
}

export function pullFailure(image: string): string {
  const full = image.includes("/") ? image : `docker.io/library/${image}`;
  return `failed to pull and unpack image "${full}": failed to resolve reference "${full}": ${full}: not found (the sandbox has ${Object.keys(
    programs,
  )
    .map((name) => `${name}:1`)
    .join(", ")})`;
}
