/** What an error says, for messages that have more to say around it; a value that is no error, as text. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
