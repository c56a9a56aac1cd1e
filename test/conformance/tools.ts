/**
 * Tools that others wrote, at the console of an agent: grpcurl, Python's gRPC with what Google's tools make of our protos, and
 * schemathesis, which asks by the OpenAPI document whatever it can think of. They come from the Go module proxy and from PyPI, once.
 */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { startWorldWithWeb } from "../cli/world.ts";
import { findGo } from "./go.ts";

const root = new URL("../..", import.meta.url).pathname;
const here = join(root, "test/conformance/tools");
const grpcurl = { module: "github.com/fullstorydev/grpcurl/cmd/grpcurl", version: "v1.9.3" };
/** How long schemathesis asks, in seconds. */
const askSeconds = 60;

export interface Claim {
  readonly claim: string;
  /** What was so instead; undefined when it holds. */
  readonly trouble?: string;
}

export async function runTools(cache: string, seconds = askSeconds): Promise<Claim[]> {
  const python = installPython(cache);
  const url = installGrpcurl(cache);
  const stubs = makeStubs(cache, python);
  await using world = await startWorldWithWeb();
  const { consoleUrl, token } = world.lisbon;
  const { host } = new URL(consoleUrl);
  return [
    ...(await askByGrpcurl(url, host, token)),
    ...(await askByPython(python, stubs, host, token)),
    await askBySchemathesis(python, consoleUrl, token, cache, seconds),
  ];
}

async function askByGrpcurl(program: string, host: string, token: string): Promise<Claim[]> {
  const clear = ["-plaintext"];
  const signedIn = ["-H", `authorization: Bearer ${token}`];
  const service = "fairlead.console.v1.PeerService";
  const watch = [
    "-max-time",
    "2",
    "-d",
    '{"topics":[{"topic":"TOPIC_APPS"}]}',
    host,
    "fairlead.console.v1.WatchService/Watch",
  ];
  return [
    await expect(
      "grpcurl lists the services",
      program,
      [...clear, host, "list"],
      /^fairlead\.console\.v1\.AppService$/m,
    ),
    await expect(
      "grpcurl describes one, with what it needs",
      program,
      [...clear, host, "describe", service],
      /console\.v1\.access\) = \{/,
    ),
    await expect(
      "grpcurl calls over h2c",
      program,
      [...clear, ...signedIn, host, `${service}/ListPeers`],
      /"name": "berlin"/,
    ),
    await expect(
      "grpcurl calls over TLS",
      program,
      ["-insecure", ...signedIn, host, `${service}/ListPeers`],
      /"name": "berlin"/,
    ),
    await expect("grpcurl hears a watch", program, [...clear, ...signedIn, ...watch], /"name": "web"/),
    await expect(
      "grpcurl is refused without a token",
      program,
      [...clear, host, `${service}/ListPeers`],
      /Unauthenticated/,
    ),
    await expect("grpcurl finds it serving", program, [...clear, host, "grpc.health.v1.Health/Check"], /"SERVING"/),
  ];
}

async function askByPython(python: NodeJS.ProcessEnv, stubs: string, host: string, token: string): Promise<Claim[]> {
  const { output, code } = await run("python3", ["-B", join(here, "call_console.py"), stubs, host, token], python);
  const lines = output.trim().split("\n");
  if (code === 0) return lines.map((claim) => ({ claim }));
  return [{ claim: "Python's gRPC client is served", trouble: output }];
}

async function askBySchemathesis(
  python: NodeJS.ProcessEnv,
  url: string,
  token: string,
  cache: string,
  seconds: number,
): Promise<Claim> {
  const checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
  const options = [
    "--checks",
    checks,
    "--max-time",
    String(seconds),
    "--request-timeout",
    "5",
    "--continue-on-failure",
    "--no-color",
  ];
  const { output, code } = await run(
    "python3",
    [
      "-m",
      "schemathesis.cli",
      "--config-file",
      join(here, "schemathesis.toml"),
      "run",
      `${url}/openapi.yaml`,
      "-H",
      `Authorization: Bearer ${token}`,
      ...options,
      ...streams().flatMap((id) => ["--exclude-operation-id", id]),
    ],
    python,
    cache,
  );
  const [, asked = "no"] = /(\d+) generated/.exec(output) ?? [];
  const claim = `schemathesis finds every answer as the OpenAPI document says, and none of a defect (${asked} requests)`;
  return code === 0 && asked !== "no" ? { claim } : { claim, trouble: output.slice(-20_000) };
}

/** Whose answers are no JSON documents, which schemathesis would have them be. `make fuzz` asks these. */
function streams(): string[] {
  const { paths } = parse(readFileSync(join(root, "src/gen/openapi/openapi.yaml"), "utf8"));
  const operations = Object.values<Record<string, { operationId: string }>>(paths).flatMap((each) =>
    Object.values(each),
  );
  const isStream = /application\/connect\+json|text\/event-stream/;
  return operations.filter((each) => isStream.test(JSON.stringify(each))).map(({ operationId }) => operationId);
}

async function expect(claim: string, program: string, args: string[], said: RegExp): Promise<Claim> {
  const { output } = await run(program, args, process.env);
  return said.test(output) ? { claim } : { claim, trouble: output };
}

/** What it prints, on whichever stream; never rejects. */
async function run(program: string, args: string[], env: NodeJS.ProcessEnv, cwd = root) {
  const options = { env, cwd, maxBuffer: 2 ** 26, timeout: 900_000 };
  try {
    const { stdout, stderr } = await promisify(execFile)(program, args, options);
    return { output: stdout + stderr, code: 0 };
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as { stdout?: string; stderr?: string; message: string };
    return { output: stdout + stderr || message, code: 1 };
  }
}

function installGrpcurl(cache: string): string {
  const folder = join(cache, `grpcurl-${grpcurl.version}`);
  const program = join(folder, "grpcurl");
  if (existsSync(program)) return program;
  const env = { ...process.env, GOBIN: folder, GOTOOLCHAIN: "auto" };
  execFileSync(findGo(), ["install", `${grpcurl.module}@${grpcurl.version}`], { env, stdio: ["ignore", 1, 2] });
  return program;
}

/** The environment in which Python finds the packages. */
function installPython(cache: string): NodeJS.ProcessEnv {
  const requirements = join(here, "requirements.txt");
  const folder = join(cache, "python");
  const done = join(folder, "requirements.txt");
  if (!existsSync(done) || !readFileSync(done).equals(readFileSync(requirements))) {
    rmSync(folder, { recursive: true, force: true });
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", folder];
    execFileSync("python3", [...pip, "--requirement", requirements], { stdio: ["ignore", 1, 2] });
    execFileSync("cp", [requirements, done]);
  }
  return { ...process.env, PYTHONPATH: folder };
}

/** As docs/api.md says. Returns the folder. */
function makeStubs(cache: string, env: NodeJS.ProcessEnv): string {
  const folder = join(cache, "stubs");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const protos = globSync(["fairlead/console/**/*.proto", "fairlead/resources/**/*.proto"], {
    cwd: join(root, "proto"),
  });
  const roots = ["-I", "proto", "-I", ".cache/proto"];
  const out = [`--python_out=${folder}`, `--grpc_python_out=${folder}`];
  const args = ["-m", "grpc_tools.protoc", ...roots, ...out, ...protos, "buf/validate/validate.proto"];
  execFileSync("python3", args, { cwd: root, env, stdio: ["ignore", 1, 2] });
  return folder;
}
