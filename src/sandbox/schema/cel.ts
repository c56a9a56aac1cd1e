/**
 * As much of CEL as the rules of definitions like ours need: field access, `has`, `size`, comparisons, logic, `in`, the
 * macros `all`, `exists`, `exists_one` and `filter`, and a few functions on texts. A rule with more is not judged.
 */
import { canonical, isObject } from "../json.ts";
import { type Expression, parseCel } from "./cel-parser.ts";

type Variables = Readonly<Record<string, unknown>>;

/** Where CEL itself would fail: a field that is not there, operands that do not go together. */
class CelError extends Error {}

/** What this evaluator does not know. */
class Unsupported extends Error {}

/** Whether the rule holds; an error in it counts as a breach, as in Kubernetes. Undefined for a rule beyond this CEL. */
export function evaluateRule(rule: string, variables: Variables): boolean | undefined {
  const expression = parseCel(rule);
  if (!expression) return undefined;
  try {
    return evaluate(expression, variables) === true;
  } catch (error) {
    if (error instanceof Unsupported) return undefined;
    if (error instanceof CelError) return false;
    throw error;
  }
}

function evaluate(e: Expression, v: Variables): unknown {
  switch (e.kind) {
    case "literal":
      return e.value;
    case "list":
      return e.items.map((item) => evaluate(item, v));
    case "name":
      if (!(e.name in v)) throw new Unsupported(e.name);
      return v[e.name];
    case "field":
      return field(evaluate(e.of, v), unescaped(e.name));
    case "index":
      return index(evaluate(e.of, v), evaluate(e.at, v));
    case "not":
      return !truth(evaluate(e.of, v));
    case "minus":
      return -number(evaluate(e.of, v));
    case "choice":
      return truth(evaluate(e.test, v)) ? evaluate(e.yes, v) : evaluate(e.no, v);
    case "binary":
      if (e.op === "&&" || e.op === "||") return logic(e.op, e.left, e.right, v);
      return operate(e.op, evaluate(e.left, v), evaluate(e.right, v));
    case "call":
      return call(e, v);
  }
}

/** Kubernetes writes a field whose name is a word of CEL between underscores. */
function unescaped(name: string): string {
  return /^__([a-z]+)__$/.exec(name)?.[1] ?? name;
}

function field(of: unknown, name: string): unknown {
  const value = isObject(of) ? of[name] : undefined;
  if (value === undefined) throw new CelError(`no such key: ${name}`);
  return value;
}

function index(of: unknown, at: unknown): unknown {
  if (Array.isArray(of) && typeof at === "number" && at < of.length) return of[at];
  return field(of, String(at));
}

/** An error on one side is forgiven when the other side settles the answer. */
function logic(op: "&&" | "||", left: Expression, right: Expression, v: Variables): boolean {
  const settles = op === "||";
  const failures: unknown[] = [];
  for (const side of [left, right]) {
    try {
      if (truth(evaluate(side, v)) === settles) return settles;
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return !settles;
}

function operate(op: string, a: unknown, b: unknown): unknown {
  if (op === "==") return canonical(a) === canonical(b);
  if (op === "!=") return canonical(a) !== canonical(b);
  if (op === "in") {
    if (Array.isArray(b)) return b.some((item) => canonical(item) === canonical(a));
    return isObject(b) && String(a) in b;
  }
  if (op === "+") return typeof a === "string" && typeof b === "string" ? a + b : number(a) + number(b);
  if (op === "-") return number(a) - number(b);
  const order = typeof a === "string" && typeof b === "string" ? a.localeCompare(b, "en") : number(a) - number(b);
  if (op === "<") return order < 0;
  if (op === "<=") return order <= 0;
  return op === ">" ? order > 0 : order >= 0;
}

function call({ name, of, args }: Extract<Expression, { kind: "call" }>, v: Variables): unknown {
  const [first, second] = args;
  if (name === "has" && !of && first?.kind === "field") return has(evaluate(first.of, v), unescaped(first.name));
  if (name === "size") {
    const measured = of ?? first;
    if (measured) return size(evaluate(measured, v));
  }
  if (!of || !first) throw new Unsupported(name);
  const target = evaluate(of, v);
  if (first.kind === "name" && second)
    return macro(name, target, (item) => truth(evaluate(second, { ...v, [first.name]: item })));
  const argument = evaluate(first, v);
  if (typeof target !== "string" || typeof argument !== "string") throw new Unsupported(name);
  if (name === "startsWith") return target.startsWith(argument);
  if (name === "endsWith") return target.endsWith(argument);
  if (name === "contains") return target.includes(argument);
  throw new Unsupported(name);
}

function has(holder: unknown, name: string): boolean {
  if (!isObject(holder)) throw new CelError("has() of something that has no fields");
  return holder[name] !== undefined;
}

function size(value: unknown): number {
  if (typeof value === "string") return [...value].length;
  if (Array.isArray(value)) return value.length;
  if (isObject(value)) return Object.keys(value).length;
  throw new CelError("no such overload");
}

function macro(name: string, target: unknown, holds: (item: unknown) => boolean): unknown {
  const items: unknown[] = Array.isArray(target) ? target : isObject(target) ? Object.keys(target) : [];
  const held = items.filter(holds);
  if (name === "filter") return held;
  if (name === "all") return held.length === items.length;
  if (name === "exists") return held.length > 0;
  if (name === "exists_one") return held.length === 1;
  throw new Unsupported(name);
}

function truth(value: unknown): boolean {
  if (typeof value !== "boolean") throw new CelError("no such overload");
  return value;
}

function number(value: unknown): number {
  if (typeof value !== "number") throw new CelError("no such overload");
  return value;
}
