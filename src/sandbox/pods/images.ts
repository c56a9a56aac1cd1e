/** The images that the sandbox knows: small programs of its own. */
const programs: Readonly<Record<string, { file: string; listens: boolean }>> = {
  "fairlead.dev/demo-web": { file: "demo-web.ts", listens: true },
  "fairlead.dev/echo": { file: "echo.ts", listens: true },
  "fairlead.dev/once": { file: "once.ts", listens: false },
  "fairlead.dev/crash": { file: "crash.ts", listens: false },
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
  return { url: new URL(`../programs/${program.file}`, import.meta.url), listens: program.listens };
}

export function pullFailure(image: string): string {
  const full = image.includes("/") ? image : `docker.io/library/${image}`;
  return `failed to pull and unpack image "${full}": failed to resolve reference "${full}": ${full}: not found (the sandbox has ${Object.keys(
    programs,
  )
    .map((name) => `${name}:1`)
    .join(", ")})`;
}
