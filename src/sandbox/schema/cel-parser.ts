/** From the text of a CEL rule to a tree. */

export type Expression =
  | { kind: "literal"; value: unknown }
  | { kind: "list"; items: Expression[] }
  | { kind: "name"; name: string }
  | { kind: "field"; of: Expression; name: string }
  | { kind: "index"; of: Expression; at: Expression }
  | { kind: "not"; of: Expression }
  | { kind: "minus"; of: Expression }
  | { kind: "choice"; test: Expression; yes: Expression; no: Expression }
  | { kind: "binary"; op: string; left: Expression; right: Expression }
  | { kind: "call"; name: string; of?: Expression; args: Expression[] };

/** Undefined for a text that is beyond this grammar. */
export function parseCel(text: string): Expression | undefined {
  const tokens = tokenize(text);
  if (!tokens) return undefined;
  const parser = new Parser(tokens);
  try {
    const found = parser.expression();
    return parser.done ? found : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function tokenize(text: string): string[] | undefined {
  const pattern =
    /\s*(?:("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(\d+(?:\.\d+)?)|([A-Za-z_][A-Za-z0-9_]*)|(&&|\|\||==|!=|<=|>=|[<>!?:.,()[\]+-]))/gy;
  const tokens = [...text.trim().matchAll(pattern)];
  const read = tokens.reduce((sum, [whole]) => sum + whole.length, 0);
  return read === text.trim().length ? tokens.map(([whole]) => whole.trim()) : undefined;
}

/** Loosest first. */
const levels: readonly (readonly string[])[] = [["||"], ["&&"], ["==", "!=", "<", "<=", ">", ">=", "in"], ["+", "-"]];

class Parser {
  readonly #tokens: readonly string[];
  #next = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  get done(): boolean {
    return this.#next >= this.#tokens.length;
  }

  expression(): Expression {
    const test = this.#binary(0);
    if (!this.#take("?")) return test;
    const yes = this.expression();
    this.#expect(":");
    return { kind: "choice", test, yes, no: this.expression() };
  }

  #binary(level: number): Expression {
    const operators = levels[level];
    if (!operators) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const op = this.#tokens[this.#next];
      if (op === undefined || !operators.includes(op)) return left;
      this.#next++;
      left = { kind: "binary", op, left, right: this.#binary(level + 1) };
    }
  }

  #unary(): Expression {
    if (this.#take("!")) return { kind: "not", of: this.#unary() };
    if (this.#take("-")) return { kind: "minus", of: this.#unary() };
    let value = this.#primary();
    for (;;) {
      if (this.#take(".")) {
        const name = this.#word();
        value = this.#take("(")
          ? { kind: "call", name, of: value, args: this.#list(")") }
          : { kind: "field", of: value, name };
      } else if (this.#take("[")) {
        value = { kind: "index", of: value, at: this.expression() };
        this.#expect("]");
      } else return value;
    }
  }

  #primary(): Expression {
    if (this.#take("(")) {
      const inner = this.expression();
      this.#expect(")");
      return inner;
    }
    if (this.#take("[")) return { kind: "list", items: this.#list("]") };
    const token = this.#word();
    if (/^\d/.test(token)) return { kind: "literal", value: Number(token) };
    if (/^["']/.test(token)) return { kind: "literal", value: unquote(token) };
    if (token === "true" || token === "false") return { kind: "literal", value: token === "true" };
    if (token === "null") return { kind: "literal", value: null };
    return this.#take("(") ? { kind: "call", name: token, args: this.#list(")") } : { kind: "name", name: token };
  }

  #list(end: string): Expression[] {
    const items: Expression[] = [];
    if (this.#take(end)) return items;
    do items.push(this.expression());
    while (this.#take(","));
    this.#expect(end);
    return items;
  }

  #word(): string {
    const token = this.#tokens[this.#next++];
    if (token === undefined || !/^[\w"']/.test(token)) throw new SyntaxError(`unexpected ${token ?? "end"}`);
    return token;
  }

  #take(token: string): boolean {
    if (this.#tokens[this.#next] !== token) return false;
    this.#next++;
    return true;
  }

  #expect(token: string): void {
    if (!this.#take(token)) throw new SyntaxError(`expected ${token}`);
  }
}

function unquote(text: string): string {
  const escapes: Record<string, string> = { n: "\n", t: "\t", r: "\r" };
  return text.slice(1, -1).replace(/\\(.)/g, (_, char: string) => escapes[char] ?? char);
}
