/** Lists of the API as an agent has them that was just started. */
import { createListing, type Listing } from "../../../src/console/api/listing.ts";

export const testListing: Listing = createListing({ key: Buffer.from("of a test"), now: () => 0 });
