/** Connect wants absolute URLs; nothing resolves this one. */
export const baseUrl = "https://fairlead";

/** Bytes of one message, at most, in either direction: what one call can make the other end hold. */
export const maxMessageBytes = 4 * 1024 * 1024;
