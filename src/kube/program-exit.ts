/** How a program ended, from the Status that the API server sends as its last word. Pure. */
import { isJsonObject, type JsonValue } from "./object.ts";

/** What a shell says of a program that could not be started. */
const notStarted = 126;

/** A text that is no Status counts as one that says it could not be run, with the text as the reason. */
export function readExit(text: string): { code: number; message: string } {
  const status = parse(text);
  if (!isJsonObject(status)) return { code: notStarted, message: text.trim() || "The container runtime said nothing." };
  if (status.status === "Success") return { code: 0, message: "" };
  const message = typeof status.message === "string" ? status.message : "";
  const causes = isJsonObject(status.details) && Array.isArray(status.details.causes) ? status.details.causes : [];
  const cause = causes.find((one) => isJsonObject(one) && one.reason === "ExitCode");
  const code = isJsonObject(cause) ? Number(cause.message) : Number.NaN;
  // The message repeats the code, and says no more.
  if (Number.isInteger(code) && code > 0 && code <= 255) return { code, message: "" };
  return { code: notStarted, message: message || "The container runtime did not say why." };
}

function parse(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
