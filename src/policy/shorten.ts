/** The text, cut to so many characters when it is longer. For what others wrote and is told on. Pure. */
export function shorten(text: string, most: number): string {
  // What is cut in the middle of a pair would be no text any more.
  return text.length > most ? `${text.slice(0, most - 1).toWellFormed()}…` : text;
}
