import { readFile } from "node:fs/promises";

/** Resident bytes of these processes and of those that they have started, together. */
export async function memoryOf(pids: readonly number[]): Promise<number> {
  const sizes = await Promise.all(
    (await withChildren(pids)).map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Of Linux, whatever the kernel's own tick is. */
const ticksPerSecond = 100;

/** Seconds of a processor that these processes and their children have used so far, the kernel's for them included. In steps of 10 ms. */
export async function processorSecondsOf(pids: readonly number[]): Promise<number> {
  const ticks = await Promise.all(
    (await withChildren(pids)).map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, "utf8");
      // After the name, which may hold anything but the last bracket: state, then 10 more, then utime and stime.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(fields[11]) + Number(fields[12]);
    }),
  );
  return ticks.reduce((sum, one) => sum + one, 0) / ticksPerSecond;
}

/** A server may serve each client in a process of its own. */
async function withChildren(pids: readonly number[]): Promise<number[]> {
  const found: number[] = [];
  for (let next = [...pids]; next.length > 0; ) {
    found.push(...next);
    const children = await Promise.all(next.map((pid) => readFile(`/proc/${pid}/task/${pid}/children`, "utf8")));
    next = children.flatMap((list) => list.split(" ").filter((pid) => pid !== "")).map(Number);
  }
  return found;
}
