import { sharesOf } from "./shares.ts";

sharesOf({ frames: 4_000, "session-high": 8_000, "session-low": 8_000 });
