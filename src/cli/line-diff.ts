/** What changes between two texts, line by line. Pure. */

export interface DiffLine {
  readonly kind: "same" | "gone" | "new";
  readonly text: string;
}

/** Beyond so many cells of the table a middle part is told as all gone and all new: the table grows with the square. */
const mostCells = 1_000_000;

/** The lines of both texts in their order; of two ways that are equally short, what goes stands before what comes. */
export function diffLines(before: string, after: string): DiffLine[] {
  const old = before.split("\n");
  const young = after.split("\n");
  let head = 0;
  while (head < old.length && head < young.length && old[head] === young[head]) head += 1;
  let tail = 0;
  while (tail < old.length - head && tail < young.length - head && old.at(-1 - tail) === young.at(-1 - tail)) tail += 1;
  return [
    ...old.slice(0, head).map(same),
    ...diffMiddle(old.slice(head, old.length - tail), young.slice(head, young.length - tail)),
    ...old.slice(old.length - tail).map(same),
  ];
}

/** The same as text, with `-` where a line goes and `+` where it comes. */
export function markedLines(before: readonly string[], after: readonly string[]): string[] {
  const marks = { same: " ", gone: "-", new: "+" } as const;
  return diffLines(before.join("\n"), after.join("\n")).map(({ kind, text }) => `${marks[kind]} ${text}`.trimEnd());
}

function diffMiddle(old: readonly string[], young: readonly string[]): DiffLine[] {
  if ((old.length + 1) * (young.length + 1) > mostCells) return [...old.map(gone), ...young.map(fresh)];
  // By row and column, how many lines the rests of both texts have in common.
  const width = young.length + 1;
  const common = new Uint32Array((old.length + 1) * width);
  for (let row = old.length - 1; row >= 0; row -= 1) {
    for (let column = young.length - 1; column >= 0; column -= 1) {
      const down = common[(row + 1) * width + column] ?? 0;
      const right = common[row * width + column + 1] ?? 0;
      const both = (common[(row + 1) * width + column + 1] ?? 0) + 1;
      common[row * width + column] = old[row] === young[column] ? both : Math.max(down, right);
    }
  }
  const lines: DiffLine[] = [];
  let row = 0;
  let column = 0;
  while (row < old.length && column < young.length) {
    const [left = "", right = ""] = [old[row], young[column]];
    if (left === right) {
      lines.push(same(left));
      row += 1;
      column += 1;
    } else if ((common[(row + 1) * width + column] ?? 0) >= (common[row * width + column + 1] ?? 0)) {
      lines.push(gone(left));
      row += 1;
    } else {
      lines.push(fresh(right));
      column += 1;
    }
  }
  return [...lines, ...old.slice(row).map(gone), ...young.slice(column).map(fresh)];
}

function same(text: string): DiffLine {
  return { kind: "same", text };
}

function gone(text: string): DiffLine {
  return { kind: "gone", text };
}

function fresh(text: string): DiffLine {
  return { kind: "new", text };
}
