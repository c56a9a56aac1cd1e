/** Which of many titles somebody means by a few letters, the likeliest first. Pure. */

/** Higher is better; undefined when it is not meant. Letters have to come in order; beginnings of words and runs count more. */
function score(title: string, typed: string): number | undefined {
  const text = title.toLowerCase();
  const letters = typed.toLowerCase().replaceAll(/\s+/g, "");
  const whole = text.indexOf(typed.toLowerCase().trim());
  let points = whole === 0 ? 60 : whole > 0 ? 40 : 0;
  let at = -1;
  for (const letter of letters) {
    const next = text.indexOf(letter, at + 1);
    if (next === -1) return undefined;
    if (next === at + 1) points += 3;
    if (next === 0 || /[\s/\-.:]/.test(text.charAt(next - 1))) points += 5;
    at = next;
  }
  return points - title.length / 50;
}

/** At most so many; all in their order when nothing is typed. */
export function bestMatches<T>(things: Iterable<T>, typed: string, titleOf: (thing: T) => string, most: number): T[] {
  const found: { thing: T; points: number }[] = [];
  for (const thing of things) {
    const points = score(titleOf(thing), typed);
    if (points !== undefined) found.push({ thing, points });
    if (typed.trim() === "" && found.length === most) break;
  }
  if (typed.trim() !== "") found.sort((a, b) => b.points - a.points);
  return found.slice(0, most).map(({ thing }) => thing);
}
